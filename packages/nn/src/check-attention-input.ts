import type { AttentionCapabilities, AttentionInput } from './contracts.js';

/**
 * Checks what is given to an attention against what it declares.
 * @throws {Error} naming the first thing that it does not take, or misses.
 */
export function checkAttentionInput(name: string, capabilities: AttentionCapabilities, input: AttentionInput): void {
  const uses = [
    ['context', capabilities.cross, 'it attends to its own sequence; use cross attention'],
    ['mask', capabilities.arbitraryMask, 'what it sees is part of what it is; use softmax attention'],
    ['keyPadding', capabilities.keyPadding ?? false, 'leave padding out of the batch, or use softmax attention'],
    ['segments', capabilities.packing, 'put one document in a row'],
    ['prefix', capabilities.prefix ?? false, 'use causal softmax attention whose mask, if it has one, may look ahead'],
    ['cache', capabilities.cache, 'compute the whole sequence again, or use causal attention'],
  ] as const;
  for (const [use, allowed, otherwise] of uses) if (input[use] !== undefined && !allowed) throw new Error(`${name} attention takes no ${use}: ${otherwise}`);
  if (input.x.rank !== 3) throw new TypeError(`${name}: x must be [B, T, C], got [${input.x.shape.join(', ')}]`);
}

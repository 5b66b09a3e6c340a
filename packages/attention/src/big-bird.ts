import { requireCount, type AttentionVariant } from '@ashlar/nn';
import { headShape } from './head-width.js';
import { bigBirdPattern, type BigBirdPatternOptions } from './masks/big-bird-pattern.js';
import { MultiHead } from './multi-head.js';
import { checkSoftmaxOptions, softmaxCapabilities, type SoftmaxOptions } from './softmax-options.js';

export interface BigBirdOptions extends Omit<SoftmaxOptions, 'causal' | 'mask'>, Omit<BigBirdPatternOptions, 'layer'> {
  /** H */
  readonly heads: number;
  /** D; default C / H. */
  readonly headWidth?: number | undefined;
}

/**
 * Multi-head attention over blocks: a window, the first and last block, and random blocks, drawn anew for each layer and
 * head from the seed (see `bigBirdPattern`; the seed is in the config, and so in every checkpoint). x [B, T, C] → [B, T, C],
 * both ways, of any length. Zaheer et al. 2020, arXiv 2007.14062.
 * @throws {RangeError} where an option cannot be.
 */
export function bigBird(options: BigBirdOptions): AttentionVariant {
  requireCount('bigBird', 'heads', options.heads);
  bigBirdPattern(options);
  checkSoftmaxOptions('bigBird', options);
  const { block = 64, windowBlocks = 3, randomBlocks = 3 } = options, seen = block * (windowBlocks + 2 + randomBlocks);
  const capabilities = { ...softmaxCapabilities({ causal: false }), packing: false }, heads = (width: number) => headShape('bigBird', width, options.heads, options.headWidth);
  return {
    contract: 'attention/1', name: 'bigBird', capabilities, heads,
    build: (site) => new MultiHead(site, { name: 'bigBird', capabilities, heads: options.heads, kvHeads: options.heads, headWidth: heads(site.width).width, seen },
      { ...options, causal: false, mask: bigBirdPattern({ ...options, layer: site.layer ?? 0 }) }),
  };
}

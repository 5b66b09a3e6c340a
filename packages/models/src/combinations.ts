import type { DecoderOptions } from './decoder.js';

/** Two options that cannot work together. */
export class CombinationError extends Error {
  override readonly name = 'CombinationError';
}

/**
 * Checks what no part can see alone, by what the parts declare.
 * @throws {CombinationError} naming both options and what would work.
 */
export function checkCombination({ attention, positional, maxLength }: DecoderOptions): void {
  const { capabilities } = attention;
  if (!capabilities.causal) {
    throw new CombinationError(`a decoder cannot work with ${attention.name} attention that is not causal: a token would see the one it must predict; leave out causal: false`);
  }
  if (capabilities.maxLength !== undefined && maxLength !== undefined && maxLength > capabilities.maxLength) {
    throw new CombinationError(`maxLength ${maxLength} does not go with ${attention.name} attention, which takes up to ${capabilities.maxLength} tokens; use a maxLength up to that`);
  }
  if (positional.capabilities.rotate && !capabilities.rotate) {
    throw new CombinationError(`${positional.name} positions do not go with ${attention.name} attention, which cannot rotate queries and keys; use positions that are added to the embeddings, such as learned`);
  }
}

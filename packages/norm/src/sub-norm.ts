import { type ResidualVariant, type Stack } from '@ashlar/nn';
import { gainInitializers } from './deep-norm.js';
import { PreNorm } from './pre-norm.js';

/**
 * The Xavier gain of values, output projections and feed-forward. With N layers (of the encoder) and M of the decoder:
 * encoder or decoder alone √ln(2N); encoder √(⅓ ln(3M) ln(2N)); decoder √ln(3M). Wang et al. 2022, arXiv 2210.06423.
 */
export function subNormGain(stack: Stack): number {
  if (stack.kind === 'encoder') return Math.sqrt(Math.log(3 * stack.decoderDepth) * Math.log(2 * stack.depth) / 3);
  return Math.sqrt(Math.log((stack.kind === 'decoder' ? 3 : 2) * stack.depth));
}

/**
 * Sub-LN: x + f(norm(x)), where f also normalizes what goes into its last projection; one more norm before the head.
 * With the beginning that belongs to it: Xavier, gain `subNormGain` for values, output projections and feed-forward, 1
 * for queries and keys. Wang et al. 2022 (Magneto), arXiv 2210.06423.
 */
export const subNorm = (): ResidualVariant => ({
  contract: 'residual/1', name: 'subNorm', finalNorm: true, norms: true, innerNorm: true, build: (site) => new PreNorm(site),
  initializers: (stack) => gainInitializers(subNormGain(stack)),
});

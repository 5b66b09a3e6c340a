import type { Tensor } from '@ashlar/tensor';
import { Module, xavierInitializer, type Norm, type Residual, type ResidualInitializers, type ResidualSite, type ResidualVariant, type Stack, type Sublayer } from '@ashlar/nn';
import { sublayerNorms } from './sublayer-norms.js';

/**
 * α, the factor of the stream, and β, the Xavier gain of values, output projections and feed-forward. With N layers (of
 * the encoder) and M of the decoder: encoder or decoder alone (2N)^¼ and (8N)^−¼; encoder .81(N⁴M)^(1/16) and
 * .87(N⁴M)^(−1/16); decoder (3M)^¼ and (12M)^−¼. Wang et al. 2022, arXiv 2203.00555, table 2.
 */
export function deepNormConstants(stack: Stack): { readonly alpha: number; readonly beta: number } {
  const { depth } = stack;
  if (stack.kind === 'encoder') {
    const size = (depth ** 4 * stack.decoderDepth) ** (1 / 16);
    return { alpha: 0.81 * size, beta: 0.87 / size };
  }
  return stack.kind === 'decoder' ? { alpha: (3 * depth) ** 0.25, beta: (12 * depth) ** -0.25 } : { alpha: (2 * depth) ** 0.25, beta: (8 * depth) ** -0.25 };
}

class DeepNorm extends Module implements Residual {
  /** One a sublayer. */
  readonly norms: readonly Norm[];
  readonly #alpha: number;
  constructor(site: ResidualSite) {
    super();
    this.norms = sublayerNorms(site);
    this.#alpha = deepNormConstants(site.stack).alpha;
  }
  forward(x: Tensor, sublayers: readonly Sublayer[]): Tensor {
    return sublayers.reduce((stream, sublayer, i) => this.norms[i]!.forward(stream.mul(this.#alpha).add(sublayer(stream))), x);
  }
}

/** Xavier, with a gain for queries and keys of 1 and another for all other weights of the layer. */
export function gainInitializers(gain: number): ResidualInitializers {
  const plain = xavierInitializer(1), scaled = xavierInitializer(gain);
  return { attention: { weight: plain, value: scaled, residual: scaled }, feedForward: { weight: scaled, value: scaled, residual: scaled } };
}

/**
 * norm(α x + f(x)), with the beginning that belongs to it: Xavier, gain β for values, output projections and
 * feed-forward, 1 for queries and keys. Stacks of hundreds of layers train without warm-up. α and β: `deepNormConstants`.
 * Wang et al. 2022, arXiv 2203.00555.
 */
export const deepNorm = (): ResidualVariant => ({
  contract: 'residual/1', name: 'deepNorm', finalNorm: false, norms: true, innerNorm: false, build: (site) => new DeepNorm(site),
  initializers: (stack) => gainInitializers(deepNormConstants(stack).beta),
});

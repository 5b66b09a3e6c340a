import { rmsNorm, tensor, type Tensor } from '@ashlar/tensor';
import { Linear, requireCount, silu, type AttentionInput, type AttentionSite, type AttentionVariant, type HeadShape } from '@ashlar/nn';
import { headShape } from './head-width.js';
import { decayedFlops, decayedProduct } from './recurrent/decayed-product.js';
import { RecurrentMixer, byToken, recurrentCapabilities, remembering, toHeads, type MixerShape } from './recurrent/recurrent-mixer.js';

export interface RetentionOptions {
  /** H */
  readonly heads: number;
  /** D, of queries and keys; default C / H. */
  readonly headWidth?: number | undefined;
  /** E, of values; default 2 D. */
  readonly valueWidth?: number | undefined;
  /** Of all projections; default: that of the model. */
  readonly bias?: boolean | undefined;
}

class Retention extends RecurrentMixer {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  readonly gate: Linear;
  readonly #heads: HeadShape;
  readonly #valueWidth: number;
  readonly #site: AttentionSite;

  constructor(site: AttentionSite, shape: MixerShape, heads: HeadShape, valueWidth: number) {
    super(site, shape);
    const { weight, value } = site.initializers, { bias } = shape, keys = heads.count * heads.width, values = heads.count * valueWidth;
    if (site.positional.rotate) site.positional.checkHeadWidth?.(heads.width);
    this.query = new Linear({ inputs: site.width, outputs: keys, bias, initializer: weight });
    this.key = new Linear({ inputs: site.width, outputs: keys, bias, initializer: weight });
    this.value = new Linear({ inputs: site.width, outputs: values, bias, initializer: value });
    this.gate = new Linear({ inputs: site.width, outputs: values, bias, initializer: weight });
    this.#heads = heads;
    this.#valueWidth = valueWidth;
    this.#site = site;
  }

  protected mix({ x, positions, cache, segments }: AttentionInput): Tensor {
    const { count: H, width: D } = this.#heads, E = this.#valueWidth, { positional } = this.#site, [B, T] = x.shape as [number, number, number];
    const turned = (projection: Linear, of: 'query' | 'key'): Tensor => {
      const split = toHeads(projection.forward(x), H);
      return positional.rotate?.(split, positions, of) ?? split;
    };
    const q = turned(this.query, 'query'), k = turned(this.key, 'key').mul(1 / Math.sqrt(D)), v = toHeads(this.value.forward(x), H);
    const logDecay = tensor(Float32Array.from({ length: H }, (_, h) => Math.log1p(-(2 ** (-5 - h))))).reshape([1, H, 1]).broadcastTo([1, H, T]);
    const mixed = remembering(cache, [B, H, D, E], (state) => decayedProduct({ q, k, v, logDecay, state, segments }));
    return rmsNorm(byToken(mixed)).reshape([B, T, H * E]).cast(x.dtype).mul(silu(this.gate.forward(x)));
  }

  protected mixFlops(keys: number): number {
    const { count: H, width: D } = this.#heads;
    return this.query.flops + this.key.flops + this.value.flops + this.gate.flops + H * decayedFlops(D, this.#valueWidth, keys);
  }
}

/**
 * Retention in H heads: Sₜ = γ Sₜ₋₁ + kₜ vₜᵀ / √D, oₜ = Sₜᵀ qₜ, γₕ = 1 − 2^(−5−h) for h = 0 … H − 1; each head's o is divided
 * by its root mean square, and what all heads give is multiplied by silu(x Wᵍ). Queries and keys turn with the positions
 * (rotary, xPos). x [B, T, C] → [B, T, C]; time linear in T. Sun et al. 2023, arXiv 2307.08621.
 * @throws {RangeError} where heads does not divide the width and no headWidth is given.
 */
export function retention(options: RetentionOptions): AttentionVariant {
  requireCount('retention', 'heads', options.heads);
  if (options.valueWidth !== undefined) requireCount('retention', 'valueWidth', options.valueWidth);
  const capabilities = { ...recurrentCapabilities, rotate: true }, heads = (width: number): HeadShape => headShape('retention', width, options.heads, options.headWidth);
  return {
    contract: 'attention/1', name: 'retention', capabilities, heads,
    build: (site) => {
      const shape = heads(site.width), valueWidth = options.valueWidth ?? 2 * shape.width;
      return new Retention(site, { name: 'retention', capabilities, inner: shape.count * valueWidth, bias: options.bias ?? site.bias }, shape, valueWidth);
    },
  };
}

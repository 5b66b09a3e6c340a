import { concat, ones, read, rmsNorm, type Tensor } from '@ashlar/tensor';
import { Linear, Parameter, onesInitializer, requireCount, type AttentionInput, type AttentionSite, type AttentionVariant, type HeadShape } from '@ashlar/nn';
import { FeatureMap, featureMapNames, featureWidth, type FeatureMapName } from './feature-maps.js';
import { headShape } from './head-width.js';
import { decayedFlops, decayedProduct } from './recurrent/decayed-product.js';
import { RecurrentMixer, byToken, recurrentCapabilities, remembering, toHeads, type MixerShape } from './recurrent/recurrent-mixer.js';

export interface LinearAttentionOptions {
  /** H */
  readonly heads: number;
  /** D; default C / H. */
  readonly headWidth?: number | undefined;
  /** φ; default `eluPlusOne`. */
  readonly featureMap?: FeatureMapName | undefined;
  /**
   * What keeps the sums in bounds: `sum` divides by the sum of the scores, as softmax does; `headNorm` takes the
   * root-mean-square norm of each head with a gain (Qin et al. 2022, arXiv 2210.10340); `none`. The last two multiply scores
   * by 1/√(width of φ). Default `sum`.
   */
  readonly normalizer?: 'sum' | 'headNorm' | 'none' | undefined;
  /** Whether a token sees only itself and those before it. Default true. */
  readonly causal?: boolean | undefined;
  /** Of all projections; default: that of the model. */
  readonly bias?: boolean | undefined;
}

/** Added to the sum of the scores, which may be 0. */
const epsilon = 1e-6;

class LinearAttention extends RecurrentMixer {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  readonly queryMap: FeatureMap;
  readonly keyMap: FeatureMap;
  /** Gain [D] of the headNorm. */
  readonly headGain: Parameter | undefined;
  readonly #heads: HeadShape;
  readonly #options: LinearAttentionOptions;

  constructor(site: AttentionSite, shape: MixerShape, heads: HeadShape, options: LinearAttentionOptions) {
    super(site, shape);
    const { weight, value } = site.initializers, { featureMap = 'eluPlusOne' } = options, sizes = { inputs: site.width, outputs: shape.inner, bias: shape.bias };
    this.query = new Linear({ ...sizes, initializer: weight });
    this.key = new Linear({ ...sizes, initializer: weight });
    this.value = new Linear({ ...sizes, initializer: value });
    this.queryMap = new FeatureMap(featureMap, heads.count, heads.width);
    this.keyMap = new FeatureMap(featureMap, heads.count, heads.width);
    this.headGain = options.normalizer === 'headNorm' ? new Parameter([heads.width], { initializer: onesInitializer }) : undefined;
    this.#heads = heads;
    this.#options = options;
  }

  protected mix({ x, cache, keyPadding, segments }: AttentionInput): Tensor {
    const { count: H, width: D } = this.#heads, { normalizer = 'sum', causal = true } = this.#options, [B, T] = x.shape as [number, number, number];
    const split = (projection: Linear): Tensor => toHeads(projection.forward(x), H).cast('f32');
    const q = this.queryMap.forward(split(this.query)), k = this.keyMap.forward(split(this.key)), v = split(this.value), F = q.shape[3]!;
    // The sum of the scores is what a value of 1 gets.
    const values = normalizer === 'sum' ? concat([v, ones([B, H, T, 1])], -1) : v, E = values.shape[3]!;
    const keys = keyPadding ? k.mul(keyPadding.not().cast('f32').reshape([B, 1, T, 1])) : k, queries = normalizer === 'sum' ? q : q.mul(1 / Math.sqrt(F));
    const mixed = causal ? remembering(cache, [B, H, F, E], (state) => decayedProduct({ q: queries, k: keys, v: values, state, segments })) : queries.matmul(keys.transpose().matmul(values));
    const part = (from: number, to: number): Tensor => mixed.slice(undefined, undefined, undefined, [from, to]);
    const scaled = normalizer === 'sum' ? part(0, D).div(part(D, D + 1).add(epsilon)) : mixed;
    const heads = byToken(scaled);
    return (this.headGain ? rmsNorm(heads, { gain: read(this.headGain) }) : heads).reshape([B, T, H * D]).cast(x.dtype);
  }

  protected mixFlops(keys: number): number {
    const { count: H, width: D } = this.#heads, F = featureWidth(this.#options.featureMap ?? 'eluPlusOne', D), E = (this.#options.normalizer ?? 'sum') === 'sum' ? D + 1 : D;
    return this.query.flops + this.key.flops + this.value.flops + this.queryMap.flops + this.keyMap.flops + H * (this.#options.causal === false ? 4 * F * E : decayedFlops(F, E, keys));
  }
}

/**
 * Attention whose scores are products φ(q)·φ(k), so that sums over keys are a state: oₜ = Sₜᵀ φ(qₜ) / (φ(qₜ)·zₜ) with
 * Sₜ = Σ φ(k) vᵀ and zₜ = Σ φ(k) over the tokens that t sees; x [B, T, C] → [B, T, C]. Time linear in T; the state of a
 * decoding step, in f32, does not grow. Katharopoulos et al. 2020, arXiv 2006.16236.
 * @throws {RangeError} where heads does not divide the width and no headWidth is given, or an option cannot be.
 */
export function linearAttention(options: LinearAttentionOptions): AttentionVariant {
  const { heads: count, featureMap, normalizer, causal = true } = options;
  requireCount('linearAttention', 'heads', count);
  if (featureMap !== undefined && !featureMapNames.includes(featureMap)) throw new RangeError(`linearAttention: featureMap must be ${featureMapNames.join(', ')}, got ${JSON.stringify(featureMap)}`);
  if (normalizer !== undefined && !['sum', 'headNorm', 'none'].includes(normalizer)) throw new RangeError(`linearAttention: normalizer must be sum, headNorm or none, got ${JSON.stringify(normalizer)}`);
  const capabilities = { ...recurrentCapabilities, causal, bidirectional: !causal, cache: causal, packing: causal, keyPadding: true };
  const heads = (width: number): HeadShape => headShape('linearAttention', width, count, options.headWidth);
  return {
    contract: 'attention/1', name: 'linearAttention', capabilities, heads,
    build: (site) => {
      const shape = heads(site.width);
      return new LinearAttention(site, { name: 'linearAttention', capabilities, inner: shape.count * shape.width, bias: options.bias ?? site.bias }, shape, options);
    },
  };
}

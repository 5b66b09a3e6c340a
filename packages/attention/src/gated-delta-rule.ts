import { read, rmsNorm, type Tensor } from '@ashlar/tensor';
import { Linear, Parameter, onesInitializer, requireCount, silu, type AttentionInput, type AttentionSite, type AttentionVariant, type HeadShape, type Initializer } from '@ashlar/nn';
import { headShape } from './head-width.js';
import { ConvolvedLinear } from './recurrent/convolved-linear.js';
import { deltaFlops, deltaProduct } from './recurrent/delta-product.js';
import { Fading } from './recurrent/fading.js';
import { RecurrentMixer, byToken, perHead, recurrentCapabilities, remembering, unitLength, type MixerShape } from './recurrent/recurrent-mixer.js';

export interface GatedDeltaRuleOptions {
  /** H */
  readonly heads: number;
  /** D, of queries and keys; default C / H. */
  readonly headWidth?: number | undefined;
  /** E, of values; default 2 headWidth. */
  readonly valueWidth?: number | undefined;
  /** How many tokens the convolution before queries, keys and values sees; 1: there is none. Default 4. */
  readonly convolution?: number | undefined;
  /** Of the projections; default: that of the model. */
  readonly bias?: boolean | undefined;
}

interface DeltaSizes { readonly heads: HeadShape; readonly valueWidth: number; readonly convolution: number }

class GatedDeltaRule extends RecurrentMixer {
  readonly query: ConvolvedLinear;
  readonly key: ConvolvedLinear;
  readonly value: ConvolvedLinear;
  /** Logits of β and of the decay, a number a head. */
  readonly rate: Linear;
  readonly decay: Linear;
  readonly fading: Fading;
  readonly gate: Linear;
  /** [E] */
  readonly headGain: Parameter;
  readonly #sizes: DeltaSizes;

  constructor(site: AttentionSite, shape: MixerShape, sizes: DeltaSizes) {
    super(site, shape);
    const { weight, value } = site.initializers, { bias } = shape, { count } = sizes.heads, keys = count * sizes.heads.width, inputs = site.width;
    const projection = (outputs: number, initializer: Initializer): ConvolvedLinear => new ConvolvedLinear({ inputs, outputs, bias, initializer, heads: sizes.heads.count, convolution: sizes.convolution });
    this.query = projection(keys, weight);
    this.key = projection(keys, weight);
    this.value = projection(shape.inner, value);
    this.rate = new Linear({ inputs, outputs: count, bias, initializer: weight });
    this.decay = new Linear({ inputs, outputs: count, bias: false, initializer: weight });
    this.fading = new Fading(count);
    this.gate = new Linear({ inputs, outputs: shape.inner, bias, initializer: weight });
    this.headGain = new Parameter([sizes.valueWidth], { initializer: onesInitializer });
    this.#sizes = sizes;
  }

  protected mix(input: AttentionInput): Tensor {
    const { heads: { count: H, width: D }, valueWidth: E } = this.#sizes, { x, cache, segments } = input, [B, T] = x.shape as [number, number, number];
    const q = unitLength(this.query.inHeads(input, 'queries')), k = unitLength(this.key.inHeads(input, 'keys')), v = this.value.inHeads(input, 'values');
    const rate = perHead(this.rate.forward(x).cast('f32').sigmoid());
    const { logDecay } = this.fading.forward(this.decay.forward(x));
    const mixed = remembering(cache, [B, H, D, E], (state) => deltaProduct({ q, k, v, rate, logDecay, state, segments }));
    return rmsNorm(byToken(mixed), { gain: read(this.headGain) }).reshape([B, T, H * E]).cast(x.dtype).mul(silu(this.gate.forward(x)));
  }

  protected mixFlops(keys: number): number {
    const { heads: { count: H, width: D }, valueWidth: E } = this.#sizes;
    const projections = [this.query, this.key, this.value, this.gate, this.rate, this.decay].reduce((sum, { flops }) => sum + flops, 0);
    return projections + H * deltaFlops(D, E, keys);
  }
}

/**
 * The delta rule on a state that fades: Sₜ = aₜ (I − βₜ kₜ kₜᵀ) Sₜ₋₁ + βₜ kₜ vₜᵀ, oₜ = Sₜᵀ qₜ, with β = σ(x Wᵝ) and
 * a = exp(−exp(logRate) softplus(x Wᵃ + offset)); q and k of length 1 after a short convolution and silu (so v too); each
 * head's o has a root-mean-square norm, and what all heads give is multiplied by silu(x Wᵍ). x [B, T, C] → [B, T, C]; time
 * linear in T. Yang et al. 2024, arXiv 2412.06464.
 * @throws {RangeError} where heads does not divide the width and no headWidth is given, or an option cannot be.
 */
export function gatedDeltaRule(options: GatedDeltaRuleOptions): AttentionVariant {
  const { convolution = 4 } = options;
  requireCount('gatedDeltaRule', 'heads', options.heads);
  requireCount('gatedDeltaRule', 'convolution', convolution);
  if (options.valueWidth !== undefined) requireCount('gatedDeltaRule', 'valueWidth', options.valueWidth);
  const heads = (width: number): HeadShape => headShape('gatedDeltaRule', width, options.heads, options.headWidth);
  return {
    contract: 'attention/1', name: 'gatedDeltaRule', capabilities: recurrentCapabilities, heads,
    build: (site) => {
      const shape = heads(site.width), valueWidth = options.valueWidth ?? 2 * shape.width;
      return new GatedDeltaRule(site, { name: 'gatedDeltaRule', capabilities: recurrentCapabilities, inner: shape.count * valueWidth, bias: options.bias ?? site.bias }, { heads: shape, valueWidth, convolution });
    },
  };
}

import { read, rmsNorm, type Tensor } from '@ashlar/tensor';
import { Linear, Parameter, onesInitializer, requireCount, type AttentionInput, type AttentionSite, type AttentionVariant, type HeadShape, type Initializer } from '@ashlar/nn';
import { headShape } from './head-width.js';
import { ConvolvedLinear } from './recurrent/convolved-linear.js';
import { deltaFlops, deltaProduct } from './recurrent/delta-product.js';
import { RecurrentMixer, byToken, perHead, recurrentCapabilities, remembering, unitLength, type MixerShape } from './recurrent/recurrent-mixer.js';

export interface DeltaRuleOptions {
  /** H */
  readonly heads: number;
  /** D, of queries and keys; default C / H. */
  readonly headWidth?: number | undefined;
  /** E, of values; default headWidth. */
  readonly valueWidth?: number | undefined;
  /** How many tokens the convolution before queries, keys and values sees; 1: there is none. Default 4. */
  readonly convolution?: number | undefined;
  /** Of the projections; default: that of the model. */
  readonly bias?: boolean | undefined;
}

export interface DeltaSizes { readonly heads: HeadShape; readonly valueWidth: number; readonly convolution: number }

export class DeltaRule extends RecurrentMixer {
  readonly query: ConvolvedLinear;
  readonly key: ConvolvedLinear;
  readonly value: ConvolvedLinear;
  /** A logit of β a head. */
  readonly rate: Linear;
  /** [E] */
  readonly headGain: Parameter;
  readonly #sizes: DeltaSizes;

  constructor(site: AttentionSite, shape: MixerShape, sizes: DeltaSizes) {
    super(site, shape);
    const { weight, value } = site.initializers, { bias } = shape, keys = sizes.heads.count * sizes.heads.width, inputs = site.width;
    const projection = (outputs: number, initializer: Initializer): ConvolvedLinear => new ConvolvedLinear({ inputs, outputs, bias, initializer, heads: sizes.heads.count, convolution: sizes.convolution });
    this.query = projection(keys, weight);
    this.key = projection(keys, weight);
    this.value = projection(shape.inner, value);
    this.rate = new Linear({ inputs, outputs: sizes.heads.count, bias, initializer: weight });
    this.headGain = new Parameter([sizes.valueWidth], { initializer: onesInitializer });
    this.#sizes = sizes;
  }

  protected mix(input: AttentionInput): Tensor {
    const { heads: { count: H, width: D }, valueWidth: E } = this.#sizes, { x, cache, segments } = input, [B, T] = x.shape as [number, number, number];
    const q = unitLength(this.query.inHeads(input, 'queries')), k = unitLength(this.key.inHeads(input, 'keys')), v = this.value.inHeads(input, 'values');
    const rate = perHead(this.rate.forward(x).cast('f32').sigmoid());
    const logDecay = this.logDecay(x);
    const mixed = remembering(cache, [B, H, D, E], (state) => deltaProduct({ q, k, v, rate, ...(logDecay ? { logDecay } : {}), state, segments }));
    return this.gated(rmsNorm(byToken(mixed), { gain: read(this.headGain) }).reshape([B, T, H * E]).cast(x.dtype), x);
  }

  /** By how much the state fades before each token; undefined: not at all. */
  protected logDecay(_x: Tensor): Tensor | undefined { return undefined; }
  /** What all heads give, [B, T, H E], as x may change it. */
  protected gated(mixed: Tensor, _x: Tensor): Tensor { return mixed; }

  protected mixFlops(keys: number): number {
    const { heads: { count: H, width: D }, valueWidth: E } = this.#sizes;
    return this.query.flops + this.key.flops + this.value.flops + this.rate.flops + H * deltaFlops(D, E, keys);
  }
}

/**
 * A state that replaces what it has under a key: Sₜ = (I − βₜ kₜ kₜᵀ) Sₜ₋₁ + βₜ kₜ vₜᵀ, oₜ = Sₜᵀ qₜ, with β = σ(x Wᵝ), q and k
 * of length 1 after a short convolution and silu (so v too); each head's o has a root-mean-square norm. x [B, T, C] →
 * [B, T, C]; time linear in T. Schlag et al. 2021, arXiv 2102.11174; Yang et al. 2024, arXiv 2406.06484.
 * @throws {RangeError} where heads does not divide the width and no headWidth is given, or an option cannot be.
 */
export const deltaRule = (options: DeltaRuleOptions): AttentionVariant => deltaVariant('deltaRule', DeltaRule, 1, options);

/** A variant of the rule. `valueWidths`: how many times as wide as its keys a head's values are where nothing is said. */
export function deltaVariant(name: string, Mixer: new (site: AttentionSite, shape: MixerShape, sizes: DeltaSizes) => DeltaRule, valueWidths: number, options: DeltaRuleOptions): AttentionVariant {
  const { convolution = 4 } = options;
  requireCount(name, 'heads', options.heads);
  requireCount(name, 'convolution', convolution);
  if (options.valueWidth !== undefined) requireCount(name, 'valueWidth', options.valueWidth);
  const heads = (width: number): HeadShape => headShape(name, width, options.heads, options.headWidth);
  return {
    contract: 'attention/1', name, capabilities: recurrentCapabilities, heads,
    build: (site) => {
      const shape = heads(site.width), valueWidth = options.valueWidth ?? valueWidths * shape.width;
      return new Mixer(site, { name, capabilities: recurrentCapabilities, inner: shape.count * valueWidth, bias: options.bias ?? site.bias }, { heads: shape, valueWidth, convolution });
    },
  };
}

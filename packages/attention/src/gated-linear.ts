import { read, rmsNorm, type Tensor } from '@ashlar/tensor';
import { Linear, Parameter, onesInitializer, requireCount, silu, type AttentionInput, type AttentionSite, type AttentionVariant } from '@ashlar/nn';
import { decayedFlops } from './recurrent/decayed-product.js';
import { gatedProduct, leastLogDecay } from './recurrent/gated-product.js';
import { RecurrentMixer, byToken, recurrentCapabilities, remembering, softplus, toHeads, type MixerShape } from './recurrent/recurrent-mixer.js';

export interface GatedLinearOptions {
  /** H */
  readonly heads: number;
  /** D, of queries and keys; default C / (2 H). */
  readonly keyWidth?: number | undefined;
  /** E, of values; default C / H. */
  readonly valueWidth?: number | undefined;
  /** Width between the two products that give the decay. Default 16. */
  readonly gateRank?: number | undefined;
  /** τ; default 16. */
  readonly temperature?: number | undefined;
  /** Of the projections; default: that of the model. */
  readonly bias?: boolean | undefined;
}

interface GatedLinearSizes { readonly heads: number; readonly keyWidth: number; readonly valueWidth: number; readonly gateRank: number; readonly temperature: number }

class GatedLinear extends RecurrentMixer {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  readonly gate: Linear;
  /** x → gateRank → a logit a key element. */
  readonly decayDown: Linear;
  readonly decayUp: Linear;
  /** [E] */
  readonly headGain: Parameter;
  readonly #sizes: GatedLinearSizes;

  constructor(site: AttentionSite, shape: MixerShape, sizes: GatedLinearSizes) {
    super(site, shape);
    const { weight, value } = site.initializers, { bias } = shape, keys = sizes.heads * sizes.keyWidth, inputs = site.width;
    this.query = new Linear({ inputs, outputs: keys, bias, initializer: weight });
    this.key = new Linear({ inputs, outputs: keys, bias, initializer: weight });
    this.value = new Linear({ inputs, outputs: shape.inner, bias, initializer: value });
    this.gate = new Linear({ inputs, outputs: shape.inner, bias, initializer: weight });
    this.decayDown = new Linear({ inputs, outputs: sizes.gateRank, bias: false, initializer: weight });
    this.decayUp = new Linear({ inputs: sizes.gateRank, outputs: keys, bias: true, initializer: weight });
    this.headGain = new Parameter([sizes.valueWidth], { initializer: onesInitializer });
    this.#sizes = sizes;
  }

  protected mix({ x, cache, segments }: AttentionInput): Tensor {
    const { heads: H, keyWidth: D, valueWidth: E, temperature } = this.#sizes, [B, T] = x.shape as [number, number, number];
    const q = toHeads(this.query.forward(x), H).mul(1 / Math.sqrt(D)), k = toHeads(this.key.forward(x), H), v = toHeads(this.value.forward(x), H);
    const logits = this.decayUp.forward(this.decayDown.forward(x)).cast('f32');
    const logDecay = toHeads(softplus(logits.neg()).mul(-1 / temperature).maximum(leastLogDecay), H);
    const mixed = remembering(cache, [B, H, D, E], (state) => gatedProduct({ q, k, v, logDecay, state, segments }));
    return rmsNorm(byToken(mixed), { gain: read(this.headGain) }).reshape([B, T, H * E]).cast(x.dtype).mul(silu(this.gate.forward(x)));
  }

  protected mixFlops(keys: number): number {
    const { heads: H, keyWidth: D, valueWidth: E } = this.#sizes;
    const projections = [this.query, this.key, this.value, this.gate, this.decayDown, this.decayUp].reduce((sum, { flops }) => sum + flops, 0);
    return projections + H * decayedFlops(D, E, keys);
  }
}

/**
 * A state each of whose rows fades as the token says: Sₜ = diag(aₜ) Sₜ₋₁ + kₜ vₜᵀ, oₜ = Sₜᵀ qₜ / √D, with
 * a = max(σ(x W₁ W₂ + b)^(1/τ), e⁻⁴); each head's o has a root-mean-square norm, and what all heads give is multiplied by
 * silu(x Wᵍ). x [B, T, C] → [B, T, C]; time linear in T. Yang et al. 2023, arXiv 2312.06635.
 * @throws {RangeError} where 2 heads do not divide the width and widths are not given, or an option cannot be.
 */
export function gatedLinear(options: GatedLinearOptions): AttentionVariant {
  const { heads, gateRank = 16, temperature = 16 } = options;
  requireCount('gatedLinear', 'heads', heads);
  requireCount('gatedLinear', 'gateRank', gateRank);
  for (const [name, value] of [['keyWidth', options.keyWidth], ['valueWidth', options.valueWidth]] as const) if (value !== undefined) requireCount('gatedLinear', name, value);
  if (!(temperature > 0 && Number.isFinite(temperature))) throw new RangeError(`gatedLinear: temperature must be greater than 0, got ${temperature}`);
  const width = (site: number, parts: number, name: string, given: number | undefined): number => {
    if (given === undefined && site % (parts * heads) !== 0) throw new RangeError(`gatedLinear: ${parts === 1 ? '' : `${parts} × `}heads must divide the width (${site}), got heads ${heads}; or give ${name}`);
    return given ?? site / (parts * heads);
  };
  const sizes = (site: number): GatedLinearSizes => ({ heads, gateRank, temperature, keyWidth: width(site, 2, 'keyWidth', options.keyWidth), valueWidth: width(site, 1, 'valueWidth', options.valueWidth) });
  return {
    contract: 'attention/1', name: 'gatedLinear', capabilities: recurrentCapabilities, heads: (site) => ({ count: heads, width: sizes(site).keyWidth }),
    build: (site) => {
      const own = sizes(site.width);
      return new GatedLinear(site, { name: 'gatedLinear', capabilities: recurrentCapabilities, inner: heads * own.valueWidth, bias: options.bias ?? site.bias }, own);
    },
  };
}

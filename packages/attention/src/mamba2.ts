import { read, rmsNorm, type Tensor } from '@ashlar/tensor';
import { Linear, Parameter, onesInitializer, requireCount, silu, type AttentionInput, type AttentionSite, type AttentionVariant } from '@ashlar/nn';
import { decayedFlops, decayedProduct } from './recurrent/decayed-product.js';
import { Fading } from './recurrent/fading.js';
import { RecurrentMixer, byToken, recurrentCapabilities, remembering, toHeads, type MixerShape } from './recurrent/recurrent-mixer.js';
import { ShortConvolution } from './recurrent/short-convolution.js';

export interface Mamba2Options {
  /** H */
  readonly heads: number;
  /** Width of all heads together is expand · C. Default 2. */
  readonly expand?: number | undefined;
  /** D, rows of a head's state. Default 64. */
  readonly stateWidth?: number | undefined;
  /** G, a divisor of heads: how many heads share their B and C. Default 1 group of all. */
  readonly groups?: number | undefined;
  /** How many tokens the convolution sees, from 2. Default 4. */
  readonly convolution?: number | undefined;
  /** Of the projections; default: that of the model. */
  readonly bias?: boolean | undefined;
}

interface Mamba2Sizes { readonly heads: number; readonly headWidth: number; readonly stateWidth: number; readonly groups: number; readonly convolution: number }

class Mamba2 extends RecurrentMixer {
  /** Rows: gate, x, B, C, Δ. */
  readonly input: Linear;
  readonly convolution: ShortConvolution;
  readonly fading: Fading;
  /** [H]: how much of x passes by. */
  readonly skip: Parameter;
  /** [expand · C] */
  readonly innerGain: Parameter;
  readonly #sizes: Mamba2Sizes;

  constructor(site: AttentionSite, shape: MixerShape, sizes: Mamba2Sizes) {
    super(site, shape);
    const { inner, bias } = shape, shared = sizes.groups * sizes.stateWidth;
    this.input = new Linear({ inputs: site.width, outputs: 2 * inner + 2 * shared + sizes.heads, bias, initializer: site.initializers.weight });
    this.convolution = new ShortConvolution({ channels: inner + 2 * shared, width: sizes.convolution, bias: true });
    this.fading = new Fading(sizes.heads);
    this.skip = new Parameter([sizes.heads], { initializer: onesInitializer });
    this.innerGain = new Parameter([inner], { initializer: onesInitializer });
    this.#sizes = sizes;
  }

  protected mix(input: AttentionInput): Tensor {
    const { heads: H, headWidth: E, stateWidth: D, groups: G } = this.#sizes, { inner } = this.shape, { x, cache, segments } = input, [B, T] = x.shape as [number, number, number], shared = G * D;
    const all = this.input.forward(x), part = (of: Tensor, from: number, count: number): Tensor => of.slice(undefined, undefined, [from, from + count]);
    const gate = part(all, 0, inner), { distance, logDecay } = this.fading.forward(part(all, 2 * inner + 2 * shared, H));
    const mixedIn = this.convolution.forward(part(all, inner, inner + 2 * shared), input, 'convolution').cast('f32');
    const values = toHeads(part(mixedIn, 0, inner), H), k = toHeads(part(mixedIn, inner, shared), G), q = toHeads(part(mixedIn, inner + shared, shared), G);
    const v = values.mul(distance.reshape([B, H, T, 1]));
    const mixed = remembering(cache, [B, H, D, E], (state) => decayedProduct({ q, k, v, logDecay, state, segments }));
    const joined = byToken(mixed.add(values.mul(read(this.skip).reshape([1, H, 1, 1])))).reshape([B, T, inner]);
    return rmsNorm(joined.mul(silu(gate.cast('f32'))), { gain: read(this.innerGain) }).cast(x.dtype);
  }

  protected mixFlops(keys: number): number {
    const { heads: H, headWidth: E, stateWidth: D } = this.#sizes;
    return this.input.flops + H * decayedFlops(D, E, keys);
  }
}

/**
 * A state space whose state fades by one factor a head (Mamba-2): Sₜ = aₜ Sₜ₋₁ + Δₜ Bₜ xₜᵀ, yₜ = Sₜᵀ Cₜ + skip · xₜ, with
 * Δ = softplus(δ + offset), a = exp(−exp(logRate) Δ); x, B, C pass a short convolution and silu; the result is
 * RMSNorm(y ⊙ silu(z)) Wᵒ. x, B, C, z and δ are one product of the input. [B, T, C] → [B, T, C]; time linear in T. Dao and
 * Gu 2024, arXiv 2405.21060.
 * @throws {RangeError} where heads does not divide expand · C, groups not heads, or an option cannot be.
 */
export function mamba2(options: Mamba2Options): AttentionVariant {
  const { heads, expand = 2, stateWidth = 64, groups = 1, convolution = 4 } = options;
  for (const [name, value] of Object.entries({ heads, stateWidth, groups })) requireCount('mamba2', name, value);
  requireCount('mamba2', 'convolution', convolution, 2);
  if (!(expand > 0 && Number.isFinite(expand))) throw new RangeError(`mamba2: expand must be greater than 0, got ${expand}`);
  if (heads % groups !== 0) throw new RangeError(`mamba2: groups must divide heads (${heads}), got ${groups}`);
  return {
    contract: 'attention/1', name: 'mamba2', capabilities: recurrentCapabilities,
    build: (site) => {
      const inner = expand * site.width;
      if (!Number.isInteger(inner) || inner % heads !== 0) throw new RangeError(`mamba2: heads must divide expand × width (${expand} × ${site.width}), got ${heads}`);
      return new Mamba2(site, { name: 'mamba2', capabilities: recurrentCapabilities, inner, bias: options.bias ?? site.bias }, { heads, headWidth: inner / heads, stateWidth, groups, convolution });
    },
  };
}

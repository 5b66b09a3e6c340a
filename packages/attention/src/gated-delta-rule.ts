import type { Tensor } from '@ashlar/tensor';
import { Linear, silu, type AttentionSite, type AttentionVariant } from '@ashlar/nn';
import { DeltaRule, deltaVariant, type DeltaRuleOptions, type DeltaSizes } from './delta-rule.js';
import { Fading } from './recurrent/fading.js';
import type { MixerShape } from './recurrent/recurrent-mixer.js';

/** Those of `deltaRule`; the default of `valueWidth` is 2 headWidth. */
export type GatedDeltaRuleOptions = DeltaRuleOptions;

class GatedDeltaRule extends DeltaRule {
  /** Logits of the decay, a number a head. */
  readonly decay: Linear;
  readonly fading: Fading;
  readonly gate: Linear;

  constructor(site: AttentionSite, shape: MixerShape, sizes: DeltaSizes) {
    super(site, shape, sizes);
    const { weight } = site.initializers, { count } = sizes.heads, inputs = site.width;
    this.decay = new Linear({ inputs, outputs: count, bias: false, initializer: weight });
    this.fading = new Fading(count);
    this.gate = new Linear({ inputs, outputs: shape.inner, bias: shape.bias, initializer: weight });
  }

  protected override logDecay(x: Tensor): Tensor { return this.fading.forward(this.decay.forward(x)).logDecay; }

  protected override gated(mixed: Tensor, x: Tensor): Tensor { return mixed.mul(silu(this.gate.forward(x))); }

  protected override mixFlops(keys: number): number { return super.mixFlops(keys) + this.gate.flops + this.decay.flops; }
}

/**
 * The delta rule on a state that fades: Sₜ = aₜ (I − βₜ kₜ kₜᵀ) Sₜ₋₁ + βₜ kₜ vₜᵀ, oₜ = Sₜᵀ qₜ, with β = σ(x Wᵝ) and
 * a = exp(−exp(logRate) softplus(x Wᵃ + offset)); q and k of length 1 after a short convolution and silu (so v too); each
 * head's o has a root-mean-square norm, and what all heads give is multiplied by silu(x Wᵍ). x [B, T, C] → [B, T, C]; time
 * linear in T. Yang et al. 2024, arXiv 2412.06464.
 * @throws {RangeError} where heads does not divide the width and no headWidth is given, or an option cannot be.
 */
export const gatedDeltaRule = (options: GatedDeltaRuleOptions): AttentionVariant => deltaVariant('gatedDeltaRule', GatedDeltaRule, 2, options);

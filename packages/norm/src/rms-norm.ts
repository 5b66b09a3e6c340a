import { read, rmsNorm as normalize, type Tensor } from '@ashlar/tensor';
import { Module, Parameter, onesInitializer, zerosInitializer, type Norm, type NormSite, type NormVariant } from '@ashlar/nn';
import { checkEpsilon } from './check-epsilon.js';

/** `plain`: x̂ · γ, γ begins at 1 (Llama). `onePlus`: x̂ · (1 + γ), γ begins at 0, so that weight decay pulls to the identity (Gemma). */
export type RmsNormGain = 'plain' | 'onePlus';
/** When f16 input is rounded back to f16: `afterGain` (Gemma, OLMo 2), or `beforeGain`, where the gain is applied in f16 (Hugging Face's Llama). A device that computes f16 in f32 gives the same for both. */
export type RmsNormCast = 'afterGain' | 'beforeGain';

export interface RmsNormOptions {
  /** Added to the mean square, inside the root; default 1e-6. */
  readonly epsilon?: number;
  /** Default `plain`. */
  readonly gain?: RmsNormGain;
  /** Default `afterGain`. They are the same for f32. */
  readonly cast?: RmsNormCast;
}

class RmsNorm extends Module implements Norm {
  /** γ [C] */
  readonly gain: Parameter;
  readonly #options: Required<RmsNormOptions>;

  constructor({ width }: NormSite, { epsilon = 1e-6, gain = 'plain', cast = 'afterGain' }: RmsNormOptions) {
    super();
    this.gain = new Parameter([width], { initializer: gain === 'plain' ? onesInitializer : zerosInitializer });
    this.#options = { epsilon, gain, cast };
  }

  forward(x: Tensor): Tensor {
    const { epsilon, gain: form, cast } = this.#options, gain = form === 'plain' ? read(this.gain) : read(this.gain).add(1);
    return cast === 'afterGain' || x.dtype === 'f32' ? normalize(x, { gain, epsilon }) : normalize(x, { epsilon }).mul(gain.cast(x.dtype));
  }
}

/**
 * x / √(mean x² + ε) · gain over the last axis; x [..., C]. Statistics in f32. It has no bias.
 * Zhang and Sennrich 2019, arXiv 1910.07467 (with ε inside the root).
 * @throws {RangeError} where epsilon is not a positive number, or gain or cast is unknown.
 */
export function rmsNorm(options: RmsNormOptions = {}): NormVariant {
  const { epsilon, gain, cast } = options;
  checkEpsilon('rmsNorm', epsilon);
  if (gain !== undefined && gain !== 'plain' && gain !== 'onePlus') throw new RangeError(`rmsNorm: gain must be plain or onePlus, got ${JSON.stringify(gain)}`);
  if (cast !== undefined && cast !== 'afterGain' && cast !== 'beforeGain') throw new RangeError(`rmsNorm: cast must be afterGain or beforeGain, got ${JSON.stringify(cast)}`);
  return { contract: 'norm/1', name: 'rmsNorm', build: (site) => new RmsNorm(site, options) };
}

import { read, rmsNorm as normalize, type Tensor } from '@ashlar/tensor';
import { Module, Parameter, onesInitializer, type Norm, type NormSite, type NormVariant } from '@ashlar/nn';
import { checkEpsilon } from './check-epsilon.js';

export interface RmsNormOptions {
  /** Added to the mean square, inside the root; default 1e-6. */
  readonly epsilon?: number;
}

class RmsNorm extends Module implements Norm {
  readonly gain: Parameter;
  readonly #epsilon: number;

  constructor({ width }: NormSite, { epsilon = 1e-6 }: RmsNormOptions) {
    super();
    this.gain = new Parameter([width], { initializer: onesInitializer });
    this.#epsilon = epsilon;
  }

  forward(x: Tensor): Tensor { return normalize(x, { gain: read(this.gain), epsilon: this.#epsilon }); }
}

/**
 * x / √(mean x² + ε) · gain over the last axis; x [..., C]. Statistics in f32. It has no bias.
 * Zhang and Sennrich 2019, arXiv 1910.07467 (with ε inside the root).
 * @throws {RangeError} where epsilon is not a positive number.
 */
export function rmsNorm(options: RmsNormOptions = {}): NormVariant {
  checkEpsilon('rmsNorm', options.epsilon);
  return { contract: 'norm/1', name: 'rmsNorm', build: (site) => new RmsNorm(site, options) };
}

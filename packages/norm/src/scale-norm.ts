import { read, type Tensor } from '@ashlar/tensor';
import { Module, Parameter, type Norm, type NormSite, type NormVariant } from '@ashlar/nn';
import { checkEpsilon } from './check-epsilon.js';

export interface ScaleNormOptions {
  /** The least length that is divided by; default 1e-5. */
  readonly epsilon?: number;
}

class ScaleNorm extends Module implements Norm {
  /** g [1] */
  readonly gain: Parameter;
  readonly #epsilon: number;

  constructor({ width }: NormSite, { epsilon = 1e-5 }: ScaleNormOptions) {
    super();
    this.gain = new Parameter([1], { initializer: () => Float32Array.of(Math.sqrt(width)) });
    this.#epsilon = epsilon;
  }

  forward(x: Tensor): Tensor {
    const wide = x.cast('f32'), squares = wide.square().sum(-1, { keepDims: true });
    return wide.mul(squares.maximum(this.#epsilon ** 2).rsqrt().mul(read(this.gain))).cast(x.dtype);
  }
}

/**
 * g · x / max(‖x‖, ε) over the last axis, with one learned number g that begins at √C; x [..., C]. Lengths in f32. It has
 * no bias. Nguyen and Salazar 2019, arXiv 1910.05895.
 * @throws {RangeError} where epsilon is not a positive number.
 */
export function scaleNorm(options: ScaleNormOptions = {}): NormVariant {
  checkEpsilon('scaleNorm', options.epsilon);
  return { contract: 'norm/1', name: 'scaleNorm', build: (site) => new ScaleNorm(site, options) };
}

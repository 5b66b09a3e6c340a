import { layerNorm as normalize, read, type Tensor } from '@ashlar/tensor';
import { Module, Parameter, onesInitializer, zerosInitializer, type Norm, type NormSite, type NormVariant } from '@ashlar/nn';
import { checkEpsilon } from './check-epsilon.js';

export interface LayerNormOptions {
  /** Added to the variance; default 1e-5. */
  readonly epsilon?: number;
  /** Default: that of the model. */
  readonly bias?: boolean;
}

class LayerNorm extends Module implements Norm {
  readonly gain: Parameter;
  readonly bias: Parameter | undefined;
  readonly #epsilon: number;

  constructor({ width, bias: ofModel }: NormSite, { epsilon = 1e-5, bias = ofModel }: LayerNormOptions) {
    super();
    this.gain = new Parameter([width], { initializer: onesInitializer });
    this.bias = bias ? new Parameter([width], { initializer: zerosInitializer }) : undefined;
    this.#epsilon = epsilon;
  }

  forward(x: Tensor): Tensor {
    return normalize(x, { gain: read(this.gain), ...(this.bias ? { bias: read(this.bias) } : {}), epsilon: this.#epsilon });
  }
}

/**
 * (x − mean) / √(variance + ε) · gain + bias over the last axis, with the biased variance; x [..., C]. Statistics in f32.
 * Ba et al. 2016, arXiv 1607.06450.
 * @throws {RangeError} where epsilon is not a positive number.
 */
export function layerNorm(options: LayerNormOptions = {}): NormVariant {
  checkEpsilon('layerNorm', options.epsilon);
  return { contract: 'norm/1', name: 'layerNorm', build: (site) => new LayerNorm(site, options) };
}

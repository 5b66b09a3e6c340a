import { read, type Tensor } from '@ashlar/tensor';
import { Module, Parameter, onesInitializer, zerosInitializer, type Norm, type NormSite, type NormVariant } from '@ashlar/nn';

export interface DynamicTanhOptions {
  /** What α begins at; default 0.5. */
  readonly initial?: number;
  /** Default: that of the model. */
  readonly bias?: boolean;
}

class DynamicTanh extends Module implements Norm {
  /** α [1] */
  readonly slope: Parameter;
  /** γ [C] */
  readonly gain: Parameter;
  /** β [C] */
  readonly bias: Parameter | undefined;

  constructor({ width, bias: ofModel }: NormSite, { initial = 0.5, bias = ofModel }: DynamicTanhOptions) {
    super();
    this.slope = new Parameter([1], { initializer: () => Float32Array.of(initial) });
    this.gain = new Parameter([width], { initializer: onesInitializer });
    this.bias = bias ? new Parameter([width], { initializer: zerosInitializer }) : undefined;
  }

  forward(x: Tensor): Tensor {
    const scaled = x.cast('f32').mul(read(this.slope)).tanh().mul(read(this.gain));
    return (this.bias ? scaled.add(read(this.bias)) : scaled).cast(x.dtype);
  }
}

/**
 * γ ⊙ tanh(α x) + β, element by element, with one learned number α: no statistics at all; x [..., C].
 * Zhu et al. 2025, arXiv 2503.10622.
 * @throws {RangeError} where `initial` is no number.
 */
export function dynamicTanh(options: DynamicTanhOptions = {}): NormVariant {
  if (options.initial !== undefined && !Number.isFinite(options.initial)) throw new RangeError(`dynamicTanh: initial must be a number, got ${options.initial}`);
  return { contract: 'norm/1', name: 'dynamicTanh', build: (site) => new DynamicTanh(site, options) };
}

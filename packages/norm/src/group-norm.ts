import { layerNorm as normalize, read, type Tensor } from '@ashlar/tensor';
import { Module, Parameter, onesInitializer, requireCount, zerosInitializer, type Norm, type NormSite, type NormVariant } from '@ashlar/nn';
import { checkEpsilon } from './check-epsilon.js';

export interface GroupNormOptions {
  /** How many groups of neighbouring features are normalized each by itself. Divides C. */
  readonly groups: number;
  /** Added to the variance; default 1e-5. */
  readonly epsilon?: number;
  /** Default: that of the model. */
  readonly bias?: boolean;
}

class GroupNorm extends Module implements Norm {
  /** [C] */
  readonly gain: Parameter;
  /** [C] */
  readonly bias: Parameter | undefined;
  readonly #groups: number;
  readonly #epsilon: number;

  constructor({ width, bias: ofModel }: NormSite, { groups, epsilon = 1e-5, bias = ofModel }: GroupNormOptions) {
    super();
    if (width % groups !== 0) throw new RangeError(`groupNorm: groups must divide the width (${width}), got ${groups}`);
    this.gain = new Parameter([width], { initializer: onesInitializer });
    this.bias = bias ? new Parameter([width], { initializer: zerosInitializer }) : undefined;
    this.#groups = groups;
    this.#epsilon = epsilon;
  }

  forward(x: Tensor): Tensor {
    const width = x.shape.at(-1)!, grouped = x.cast('f32').reshape([...x.shape.slice(0, -1), this.#groups, width / this.#groups]);
    const scaled = normalize(grouped, { epsilon: this.#epsilon }).reshape(x.shape).mul(read(this.gain));
    return (this.bias ? scaled.add(read(this.bias)) : scaled).cast(x.dtype);
  }
}

/**
 * (x − mean) / √(variance + ε) within each group of C / groups features of a token, then · gain + bias; x [..., C].
 * Statistics are of one token, never of several, so that it is causal; in f32. Wu and He 2018, arXiv 1803.08494.
 * @throws {RangeError} where groups does not divide the width, or epsilon is not a positive number.
 */
export function groupNorm(options: GroupNormOptions): NormVariant {
  requireCount('groupNorm', 'groups', options.groups);
  checkEpsilon('groupNorm', options.epsilon);
  return { contract: 'norm/1', name: 'groupNorm', build: (site) => new GroupNorm(site, options) };
}

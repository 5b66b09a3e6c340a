import { read, type Tensor } from '@ashlar/tensor';
import { Module, Parameter, requireCount, type PositionalEncoding, type PositionalSite, type PositionalVariant, type Positions } from '@ashlar/nn';

export interface LearnedOptions {
  /** Number of positions; default: that of the model. */
  readonly maxLength?: number;
}

class Learned extends Module implements PositionalEncoding {
  /** [maxLength, C] */
  readonly weight: Parameter;
  readonly #maxLength: number;

  constructor(site: PositionalSite, { maxLength = site.maxLength }: LearnedOptions) {
    super();
    if (maxLength === undefined) throw new RangeError('learned: it needs to know how many positions to learn; give maxLength to it or to the model');
    if (site.maxLength !== undefined && site.maxLength > maxLength) throw new RangeError(`learned: maxLength must be at least the model's (${site.maxLength}), got ${maxLength}`);
    this.#maxLength = maxLength;
    this.weight = new Parameter([maxLength, site.width], { initializer: site.initializers.weight });
  }

  get maxLength(): number { return this.#maxLength; }

  embed(x: Tensor, positions: Positions): Tensor {
    const table = read(this.weight);
    if (typeof positions !== 'number') return x.add(table.gather(positions));
    const end = positions + x.shape[1]!;
    requireCount('learned', 'the first position', positions, 0);
    if (end > this.#maxLength) throw new RangeError(`learned: there are ${this.#maxLength} positions, and a sequence of ${x.shape[1]} from ${positions} needs ${end}; shorten it, or learn more (maxLength)`);
    return x.add(table.slice([positions, end]));
  }
}

/**
 * A learned vector a position, added to the token embeddings: x [B, T, C] + W[position]. W [maxLength, C].
 * A sequence that is longer throws; positions given as a tensor are clamped to the table.
 */
export function learned(options: LearnedOptions = {}): PositionalVariant {
  if (options.maxLength !== undefined) requireCount('learned', 'maxLength', options.maxLength);
  return { contract: 'positional/1', name: 'learned', capabilities: { embed: true, rotate: false, scoreMod: false, bidirectional: true }, build: (site) => new Learned(site, options) };
}

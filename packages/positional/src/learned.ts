import { read, type Tensor } from '@ashlar/tensor';
import { Module, Parameter, requireCount, type PositionalEncoding, type PositionalSite, type PositionalVariant, type Positions } from '@ashlar/nn';

export interface LearnedOptions {
  /** Number of positions; default: that of the model. */
  readonly maxLength?: number | undefined;
  /** How many rows of the table stand before that of position 0, as in RoBERTa and BART. Default 0. */
  readonly offset?: number | undefined;
}

class Learned extends Module implements PositionalEncoding {
  /** [offset + maxLength, C] */
  readonly weight: Parameter;
  readonly #maxLength: number;
  readonly #offset: number;

  constructor(site: PositionalSite, { maxLength = site.maxLength, offset = 0 }: LearnedOptions) {
    super();
    if (maxLength === undefined) throw new RangeError('learned: it needs to know how many positions to learn; give maxLength to it or to the model');
    if (site.maxLength !== undefined && site.maxLength > maxLength) throw new RangeError(`learned: maxLength must be at least the model's (${site.maxLength}), got ${maxLength}`);
    this.#maxLength = maxLength;
    this.#offset = offset;
    this.weight = new Parameter([offset + maxLength, site.width], { initializer: site.initializers.weight });
  }

  get maxLength(): number { return this.#maxLength; }

  embed(x: Tensor, positions: Positions): Tensor {
    const table = read(this.weight), offset = this.#offset;
    if (typeof positions !== 'number') return x.add(table.gather(offset === 0 ? positions : positions.add(offset)));
    const end = positions + x.shape[1]!;
    requireCount('learned', 'the first position', positions, 0);
    if (end > this.#maxLength) throw new RangeError(`learned: there are ${this.#maxLength} positions, and a sequence of ${x.shape[1]} from ${positions} needs ${end}; shorten it, or learn more (maxLength)`);
    return x.add(table.slice([offset + positions, offset + end]));
  }
}

/**
 * A learned vector a position, added to the token embeddings: x [B, T, C] + W[offset + position]. W [offset + maxLength, C].
 * Gehring et al. 2017, arXiv 1705.03122. A sequence that is longer throws; positions given as a tensor are clamped to the table.
 */
export function learned(options: LearnedOptions = {}): PositionalVariant {
  if (options.maxLength !== undefined) requireCount('learned', 'maxLength', options.maxLength);
  if (options.offset !== undefined) requireCount('learned', 'offset', options.offset, 0);
  return { contract: 'positional/1', name: 'learned', capabilities: { embed: true, rotate: false, scoreMod: false, bidirectional: true }, build: (site) => new Learned(site, options) };
}

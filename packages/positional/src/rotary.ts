import { concat, tensor, type Tensor } from '@ashlar/tensor';
import { Module, requireCount, type PositionalEncoding, type PositionalSite, type PositionalVariant, type Positions } from '@ashlar/nn';

/** Which elements of a head form a pair: `halfSplit` (i, i + d/2) as Hugging Face and NeoX, `interleaved` (2i, 2i + 1) as Meta and GPT-J. */
export type RotaryLayout = 'halfSplit' | 'interleaved';

export interface RotaryOptions {
  /** Default 10000. */
  readonly base?: number;
  /** Default `halfSplit`. */
  readonly layout?: RotaryLayout;
  /** How many elements of each head turn, from the first; the others stay. Even; default: all. */
  readonly dimensions?: number;
}

/** Factors of x and of its turned partner, each [T, d]. */
interface Factors { readonly same: Tensor; readonly partner: Tensor }

class Rotary extends Module implements PositionalEncoding {
  readonly #base: number;
  readonly #layout: RotaryLayout;
  readonly #dimensions: number | undefined;
  readonly #maxLength: number | undefined;
  #last: { readonly key: string; readonly factors: Factors } | undefined;

  constructor(site: PositionalSite, { base = 10000, layout = 'halfSplit', dimensions }: RotaryOptions) {
    super();
    this.#base = base;
    this.#layout = layout;
    this.#dimensions = dimensions;
    this.#maxLength = site.maxLength;
  }

  checkHeadWidth(headWidth: number): void {
    const dimensions = this.#dimensions ?? headWidth;
    if (dimensions > headWidth) throw new RangeError(`rotary: dimensions must be at most the head width (${headWidth}), got ${dimensions}`);
    if (dimensions % 2 !== 0) throw new RangeError(`rotary: elements turn in pairs, so the head width must be even, got ${headWidth}; change heads, or give an even number of dimensions`);
  }

  rotate(x: Tensor, positions: Positions): Tensor {
    const headWidth = x.shape.at(-1)!, d = this.#dimensions ?? headWidth;
    this.checkHeadWidth(headWidth);
    const factors = this.#factors(positions, x.shape.at(-2)!, d);
    if (d === headWidth) return this.#turn(x, factors);
    const part = (from: number, to: number): Tensor => x.slice(...x.shape.map((_, axis) => (axis === x.rank - 1 ? [from, to] as const : undefined)));
    return concat([this.#turn(part(0, d), factors), part(d, headWidth)], -1);
  }

  /** x ⊙ same + partner(x) ⊙ partner: the partner of an element is a view. */
  #turn(x: Tensor, { same, partner }: Factors): Tensor {
    const half = x.shape.at(-1)! / 2, leading = x.shape.slice(0, -1);
    const paired = x.reshape([...leading, ...(this.#layout === 'halfSplit' ? [2, half] : [half, 2])]);
    const turned = paired.flip(this.#layout === 'halfSplit' ? -2 : -1).reshape(x.shape);
    return x.mul(same).add(turned.mul(partner));
  }

  #factors(positions: Positions, count: number, d: number): Factors {
    if (typeof positions === 'number') return this.#table(positions, count, d);
    if (this.#maxLength === undefined) throw new RangeError('rotary: positions given as a tensor need a table of all positions; give the model a maxLength');
    const { same, partner } = this.#table(0, this.#maxLength, d);
    const rows = (table: Tensor): Tensor => {
      const gathered = table.gather(positions);
      return positions.rank === 1 ? gathered : gathered.reshape([positions.shape[0]!, 1, count, d]);
    };
    return { same: rows(same), partner: rows(partner) };
  }

  /** cos and ±sin of the angles position · base^(−2i/d), computed in f64. The last table is kept: every layer asks for the same. */
  #table(start: number, count: number, d: number): Factors {
    const key = `${start} ${count} ${d}`;
    if (this.#last?.key !== key) {
      const same = new Float32Array(count * d), partner = new Float32Array(count * d);
      for (let t = 0; t < count; t++) for (let i = 0; i < d; i++) {
        const [pair, first] = this.#layout === 'halfSplit' ? [i % (d / 2), i < d / 2] : [i >> 1, i % 2 === 0];
        const angle = (start + t) * this.#base ** (-2 * pair / d);
        same[t * d + i] = Math.cos(angle);
        partner[t * d + i] = first ? -Math.sin(angle) : Math.sin(angle);
      }
      this.#last = { key, factors: { same: tensor(same, { shape: [count, d] }), partner: tensor(partner, { shape: [count, d] }) } };
    }
    return this.#last.factors;
  }
}

/**
 * Turns each pair (a, b) of a query's or key's elements by the angle θᵢ · position, θᵢ = base^(−2i/d):
 * (a cos − b sin, b cos + a sin). Su et al. 2021, arXiv 2104.09864. Angles in f64, on the host.
 * @throws {RangeError} where base, layout or dimensions cannot be; on a head width that is odd.
 */
export function rotary(options: RotaryOptions = {}): PositionalVariant {
  const { base, layout, dimensions } = options;
  if (base !== undefined && !(base > 0 && Number.isFinite(base))) throw new RangeError(`rotary: base must be greater than 0, got ${base}`);
  if (layout !== undefined && layout !== 'halfSplit' && layout !== 'interleaved') throw new RangeError(`rotary: layout must be halfSplit or interleaved, got ${JSON.stringify(layout)}`);
  if (dimensions !== undefined) {
    requireCount('rotary', 'dimensions', dimensions, 2);
    if (dimensions % 2 !== 0) throw new RangeError(`rotary: dimensions must be even, got ${dimensions}`);
  }
  return { contract: 'positional/1', name: 'rotary', capabilities: { embed: false, rotate: true }, build: (site) => new Rotary(site, options) };
}

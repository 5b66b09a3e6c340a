import { concat, type Tensor } from '@ashlar/tensor';
import { requireCount, type Positions } from '@ashlar/nn';
import { PositionTable } from './position-table.js';

/** Which elements of a head form a pair: `halfSplit` (i, i + d/2) as Hugging Face and NeoX, `interleaved` (2i, 2i + 1) as Meta and GPT-J. */
export type RotaryLayout = 'halfSplit' | 'interleaved';

export interface RotationOptions {
  /** For messages. */
  readonly owner: string;
  readonly layout: RotaryLayout;
  /** How many elements of a head turn; absent: all. */
  readonly dimensions: number | undefined;
  readonly maxLength: number | undefined;
  /** The angle of each pair at position 1, for d elements. */
  readonly frequencies: (d: number) => ArrayLike<number>;
  /** The factor of the pair of d elements at a position. */
  readonly amplitude: (position: number, pair: number, d: number) => number;
}

/**
 * Turns each pair (a, b) of a head's first d elements by position · frequency and multiplies it by an amplitude:
 * r (a cos − b sin, b cos + a sin). Angles in f64, on the host.
 */
export class Rotation {
  readonly #options: RotationOptions;
  readonly #same: PositionTable;
  readonly #partner: PositionTable;

  constructor(options: RotationOptions) {
    const { owner, layout, maxLength, frequencies, amplitude } = options;
    this.#options = options;
    const known = new Map<number, ArrayLike<number>>();
    const frequenciesOf = (d: number): ArrayLike<number> => known.get(d) ?? known.set(d, frequencies(d)).get(d)!;
    const row = (factor: (angle: number, first: boolean) => number) => (position: number, d: number): Float64Array => Float64Array.from({ length: d }, (_, i) => {
      const [pair, first] = layout === 'halfSplit' ? [i % (d / 2), i < d / 2] : [i >> 1, i % 2 === 0];
      return amplitude(position, pair, d) * factor(position * frequenciesOf(d)[pair]!, first);
    });
    this.#same = new PositionTable(owner, maxLength, row(Math.cos));
    this.#partner = new PositionTable(owner, maxLength, row((angle, first) => (first ? -Math.sin(angle) : Math.sin(angle))));
  }

  /** @throws {RangeError} where heads of this width cannot be turned. */
  checkHeadWidth(headWidth: number): void {
    const { owner, dimensions = headWidth } = this.#options;
    if (dimensions > headWidth) throw new RangeError(`${owner}: dimensions must be at most the head width (${headWidth}), got ${dimensions}`);
    if (dimensions % 2 !== 0) throw new RangeError(`${owner}: elements turn in pairs, so the head width must be even, got ${headWidth}; change heads, or give an even number of dimensions`);
  }

  /** x [B, H, T, D] → the same shape. */
  rotate(x: Tensor, positions: Positions): Tensor {
    const headWidth = x.shape.at(-1)!, count = x.shape.at(-2)!, d = this.#options.dimensions ?? headWidth;
    this.checkHeadWidth(headWidth);
    const rows = (table: PositionTable): Tensor => {
      const found = table.rows(positions, count, d);
      return found.rank === 2 ? found : found.reshape([found.shape[0]!, 1, count, d]);
    };
    const [same, partner] = [rows(this.#same), rows(this.#partner)];
    if (d === headWidth) return this.#turn(x, same, partner);
    const part = (from: number, to: number): Tensor => x.slice(...x.shape.map((_, axis) => (axis === x.rank - 1 ? [from, to] as const : undefined)));
    return concat([this.#turn(part(0, d), same, partner), part(d, headWidth)], -1);
  }

  /** x ⊙ same + partner(x) ⊙ partner: the partner of an element is a view. */
  #turn(x: Tensor, same: Tensor, partner: Tensor): Tensor {
    const { layout } = this.#options, half = x.shape.at(-1)! / 2, leading = x.shape.slice(0, -1);
    const paired = x.reshape([...leading, ...(layout === 'halfSplit' ? [2, half] : [half, 2])]);
    const turned = paired.flip(layout === 'halfSplit' ? -2 : -1).reshape(x.shape);
    return x.mul(same).add(turned.mul(partner));
  }
}

/** Throws a RangeError unless layout, dimensions and base can be. */
export function checkRotation(owner: string, { base, layout, dimensions }: { readonly base?: number; readonly layout?: RotaryLayout; readonly dimensions?: number }): void {
  if (base !== undefined && !(base > 0 && Number.isFinite(base))) throw new RangeError(`${owner}: base must be greater than 0, got ${base}`);
  if (layout !== undefined && layout !== 'halfSplit' && layout !== 'interleaved') throw new RangeError(`${owner}: layout must be halfSplit or interleaved, got ${JSON.stringify(layout)}`);
  if (dimensions === undefined) return;
  requireCount(owner, 'dimensions', dimensions, 2);
  if (dimensions % 2 !== 0) throw new RangeError(`${owner}: dimensions must be even, got ${dimensions}`);
}

import { ShapeError, concat, defineFused, type Tensor } from '@ashlar/tensor';
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
    return turnPairs([x, same, partner], { layout: this.#options.layout })[0]!;
  }
}

/**
 * x ⊙ same + partner(x) ⊙ partner, where the partner of an element is the other one of its pair: x [B, H, T, D], factors
 * [T, d] or [B, 1, T, d] in f32; elements from d on stay. An operation of its own since others have it too: in an ONNX
 * graph it is a RotaryEmbedding.
 */
const turnPairs = defineFused<{ readonly layout: RotaryLayout }>({
  name: 'turnPairs',
  outputs: ([x, same, partner]) => {
    const [T, D] = x!.shape.slice(-2), [rows, d] = same!.shape.slice(-2);
    if (x!.shape.length !== 4 || rows !== T || !(d! <= D! && d! % 2 === 0) || same!.shape.join() !== partner!.shape.join()) throw new ShapeError(`turnPairs takes x [B, H, T, D] and twice factors [T, d] or [B, 1, T, d], d even, got ${[x, same, partner].map((operand) => `[${operand?.shape.join(', ')}]`).join(', ')}`);
    return [{ shape: x!.shape, dtype: x!.dtype }];
  },
  reference: ([x, same, partner], { layout }) => {
    const D = x!.shape.at(-1)!, d = same!.shape.at(-1)!, part = (from: number, to: number): Tensor => x!.slice(undefined, undefined, undefined, [from, to]);
    const turning = d === D ? x! : part(0, d), leading = x!.shape.slice(0, -1);
    const paired = turning.reshape([...leading, ...(layout === 'halfSplit' ? [2, d / 2] : [d / 2, 2])]);
    // A view.
    const others = paired.flip(layout === 'halfSplit' ? -2 : -1).reshape(turning.shape), turned = turning.mul(same!).add(others.mul(partner!));
    return [d === D ? turned : concat([turned, part(d, D)], -1)];
  },
  tolerance: { f32: 1e-6 },
  cases: (['halfSplit', 'interleaved'] as const).flatMap((layout) => [4, 6].map((d) => ({ inputs: [{ shape: [2, 3, 5, 6] }, { shape: [5, d] }, { shape: [5, d] }], attributes: { layout } }))),
});

/** Throws a RangeError unless layout, dimensions and base can be. */
export function checkRotation(owner: string, { base, layout, dimensions }: { readonly base?: number; readonly layout?: RotaryLayout; readonly dimensions?: number }): void {
  if (base !== undefined && !(base > 0 && Number.isFinite(base))) throw new RangeError(`${owner}: base must be greater than 0, got ${base}`);
  if (layout !== undefined && layout !== 'halfSplit' && layout !== 'interleaved') throw new RangeError(`${owner}: layout must be halfSplit or interleaved, got ${JSON.stringify(layout)}`);
  if (dimensions === undefined) return;
  requireCount(owner, 'dimensions', dimensions, 2);
  if (dimensions % 2 !== 0) throw new RangeError(`${owner}: dimensions must be even, got ${dimensions}`);
}

/** A dot kernel laid out for the machine: which axes are rows, columns and batch, and how each operand moves along them. */
import type { DotKernel, DType, View } from '@ashlar/tensor';
import { strideAlong } from './emitter.js';
import { collapse, Interner } from './normal.js';
import type { NormalStore } from './normal.js';

/** An axis of the product; `axis` is its number in the stores' indices, −1 where its size is 1 and nothing mentions it. */
export interface ProductAxis { readonly axis: number; readonly size: number }

/** An operand: elements move by `across` along rows (or columns), by `along` along k, by `batch[i]` along batch axis i. */
export interface Operand {
  readonly slot: number;
  readonly dtype: DType;
  readonly offset: number;
  readonly across: number;
  readonly along: number;
  readonly batch: readonly number[];
}

export interface DotShape {
  readonly batch: readonly ProductAxis[];
  readonly rows: ProductAxis;
  readonly columns: ProductAxis;
  readonly k: number;
  readonly a: Operand;
  readonly b: Operand;
  readonly stores: readonly NormalStore[];
  readonly interner: Interner;
}

/**
 * Merges batch axes, takes a batch axis that the right operand does not know as rows, and swaps the operands where the
 * result is then contiguous along columns. Every size but k must be at least 1.
 */
export function dotShape(kernel: DotKernel): DotShape {
  const { a, b, batch, m, n, k } = kernel;
  const nb = batch.length, mAxis = nb, nAxis = nb + 1;
  const aStride = (axis: number): number => (axis < nb ? a.strides[axis]! : axis === mAxis ? a.strides[nb]! : 0);
  const bStride = (axis: number): number => (axis < nb ? b.strides[axis]! : axis === nAxis ? b.strides[nb + 1]! : 0);
  const space = [...batch, m, n];
  const continues = (stride: (axis: number) => number, previous: number, axis: number): boolean => stride(previous) === stride(axis) * space[axis]!;
  const merged = collapse(space, nAxis, { reductions: [], outerStores: kernel.stores, innerStores: [] }, (previous, axis) =>
    continues(aStride, previous, axis) && (axis === mAxis ? bStride(previous) === 0 : continues(bStride, previous, axis)));
  const interner = new Interner();
  const slotOf = (view: View): number => interner.slot(view.slot);
  const aSlot = slotOf(a), bSlot = slotOf(b);
  const stores = merged.body.outerStores.map((store) => interner.store(store));

  const groups = merged.kept.map((group, axis) => ({ axis, size: merged.space[axis]!, last: group[group.length - 1]! }));
  const single = { axis: -1, size: 1, last: -1 };
  const columns = groups.find((g) => g.last === nAxis) ?? single;
  let rows = groups.find((g) => g.last === mAxis) ?? single;
  let outer = groups.filter((g) => g !== columns && g !== rows);
  const lastOuter = outer[outer.length - 1];
  if (rows === single && lastOuter && bStride(lastOuter.last) === 0) {
    rows = lastOuter;
    outer = outer.slice(0, -1);
  }
  const left: Operand = { slot: aSlot, dtype: a.slot.dtype, offset: a.offset, across: rows.last < 0 ? 0 : aStride(rows.last), along: a.strides[nb + 1]!, batch: outer.map((g) => aStride(g.last)) };
  const right: Operand = { slot: bSlot, dtype: b.slot.dtype, offset: b.offset, across: columns.last < 0 ? 0 : bStride(columns.last), along: b.strides[nb]!, batch: outer.map((g) => bStride(g.last)) };
  const contiguous = (axis: number): boolean => axis >= 0 && stores.every((s) => strideAlong(s.index, axis) === 1);
  const swap = (columns.size === 1 && rows.size > 1) || (contiguous(rows.axis) && !contiguous(columns.axis) && columns.size > 1);
  const plain = ({ axis, size }: ProductAxis): ProductAxis => ({ axis, size });
  return swap
    ? { batch: outer.map(plain), rows: plain(columns), columns: plain(rows), k, a: right, b: left, stores, interner }
    : { batch: outer.map(plain), rows: plain(rows), columns: plain(columns), k, a: left, b: right, stores, interner };
}

export interface Grid { readonly batch: number; readonly rows: number; readonly columns: number }

/** Divides the work among threads so that the slowest has least to do, packing included. */
export function threadGrid(threads: number, batch: number, rowUnits: number, columnUnits: number, rowUnit: number, columnUnit: number): Grid {
  let best: Grid = { batch: 1, rows: 1, columns: 1 }, least = Infinity;
  for (let tb = 1; tb <= threads; tb++) {
    for (let tr = 1; tb * tr <= threads; tr++) {
      const tc = Math.floor(threads / (tb * tr));
      const batches = Math.ceil(batch / tb);
      const rows = Math.ceil(rowUnits / tr) * rowUnit, columns = Math.ceil(columnUnits / tc) * columnUnit;
      const cost = batches * (rows * columns / 8 + 1.5 * (rows + columns));
      if (cost < least) { least = cost; best = { batch: tb, rows: tr, columns: tc }; }
    }
  }
  return best;
}

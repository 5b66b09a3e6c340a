/**
 * The inner product kernel: tiles of 4 rows × 8 columns in eight vector registers, a plain loop over k.
 * One function serves every product of a module.
 */
import { add, forRange, get, int, load, multiplyAdd, op, repeat, set, store, tee, vectorConstant, when } from './code.js';
import type { Code, FunctionBuilder, Local, ModuleBuilder } from './encoder.js';

export const tileRows = 4;
export const tileColumns = 8;

/** How a panel of four rows lies in memory: bytes from row to row and from k to k + 1. */
export interface RowLayout { readonly row: number; readonly step: number }
export const packedRows: RowLayout = { row: 4, step: 16 };
/** Bytes from k to k + 1 of a packed right operand. */
const packedColumns = 4 * tileColumns;

/**
 * tiles(a, b, c, cStride, rowPanels, columnPanels, k, aPanel, bPanel, accumulate), sizes in bytes:
 * c[i, j] (+)= Σₖ a[i, k] · b[k, j] for 4·rowPanels rows and 8·columnPanels columns.
 * `a` lies as `layout` says, a panel every `aPanel` bytes; `b` is eight contiguous columns for each k, `bStep` bytes from
 * k to k + 1, a panel every `bPanel` bytes. Terms are added in the order of k.
 */
export const tilesFunction = (module: ModuleBuilder, layout: RowLayout, bStep = packedColumns): FunctionBuilder => module.once(`tiles ${layout.row} ${layout.step} ${bStep}`, () =>
  module.define(`tiles_${layout.row}_${layout.step}_${bStep}`, new Array<'i32'>(10).fill('i32'), [], (f) => {
    const [a, b, c, cStride, rowPanels, columnPanels, k, aPanel, bPanel, accumulate] = f.params as [Local, Local, Local, Local, Local, Local, Local, Local, Local, Local];
    const j = f.local('i32'), i = f.local('i32'), aAt = f.local('i32'), aPointer = f.local('i32'), bPointer = f.local('i32'), left = f.local('i32');
    const rows = [0, 1, 2, 3].map(() => f.local('i32'));
    const sums = [0, 1, 2, 3].map(() => [f.local('v128'), f.local('v128')] as const);
    const low = f.local('v128'), high = f.local('v128'), x = f.local('v128');
    const zero = vectorConstant([0, 0, 0, 0]);
    /** Byte offset of row panel i in c. */
    const rowOffset: Code = op('i32.mul', get(cStride), op('i32.shl', get(i), int(2)));
    const inner: Code = [
      set(low, load('v128.load', get(bPointer))),
      set(high, load('v128.load', get(bPointer), 16)),
      sums.map(([first, second], r) => [
        set(x, load('v128.load32_splat', get(aPointer), r * layout.row)),
        set(first, multiplyAdd(f, get(x), get(low), get(first))),
        set(second, multiplyAdd(f, get(x), get(high), get(second))),
      ]),
      set(aPointer, add(get(aPointer), int(layout.step))),
      set(bPointer, add(get(bPointer), int(bStep))),
    ];
    const tile: Code = [
      rows.map((row, r) => set(row, r === 0 ? add(get(c), rowOffset) : add(get(rows[r - 1]!), get(cStride)))),
      when(get(accumulate),
        sums.map(([first, second], r) => [set(first, load('v128.load', get(rows[r]!))), set(second, load('v128.load', get(rows[r]!), 16))]),
        sums.map(([first, second]) => [set(first, zero), set(second, zero)])),
      set(aPointer, get(aAt)), set(bPointer, get(b)), set(left, get(k)),
      when(get(left), repeat(inner, tee(left, add(get(left), int(-1))))),
      sums.map(([first, second], r) => [store('v128.store', get(rows[r]!), get(first)), store('v128.store', get(rows[r]!), get(second), 16)]),
      set(aAt, add(get(aAt), get(aPanel))),
    ];
    f.body.push(forRange(j, int(0), get(columnPanels), int(1), [
      set(aAt, get(a)),
      forRange(i, int(0), get(rowPanels), int(1), tile),
      set(b, add(get(b), get(bPanel))),
      set(c, add(get(c), int(4 * tileColumns))),
    ]));
  }));

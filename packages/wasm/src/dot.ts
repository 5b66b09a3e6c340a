/** Matrix products: packed panels, blocks that fit the caches, tiles of 4×8, and the stores' expressions over each finished block. */
import type { DotKernel } from '@ashlar/tensor';
import { add, call, forRange, get, int, load, minimum, mul, named, op, scaled, set, sub, when } from './code.js';
import type { Code, FunctionBuilder, Local, ModuleBuilder } from './encoder.js';
import { dotShape, threadGrid } from './dot-shape.js';
import type { DotShape, Grid, Operand } from './dot-shape.js';
import { Emitter, strideAlong } from './emitter.js';
import { panelBytes, scratchOffset } from './layout.js';
import type { CompiledKernel } from './loop.js';
import { share, vectorLoop } from './nest.js';
import { grain, packFunction } from './pack.js';
import { emitSkinny, isSkinny } from './skinny.js';
import { packedRows, tileColumns, tileRows, tilesFunction } from './tile.js';

/** k is cut into stretches of at most this: a panel of four rows and one of eight columns then fit the first-level cache. */
const packK = 512;
const smallProduct = 40_000;

const bytesOf = (operand: Operand): number => (operand.dtype === 'f16' ? 2 : 4);

/** The function of a dot kernel, or undefined where there is nothing to compute. */
export function compileDot(module: ModuleBuilder, kernel: DotKernel, threads: number): CompiledKernel | undefined {
  if (kernel.m === 0 || kernel.n === 0 || kernel.batch.includes(0)) return undefined;
  const shape = dotShape(kernel);
  const { batch, rows, columns, k, a, b, stores, interner } = shape;
  const batches = batch.reduce((product, { size }) => product * size, 1);
  const oneThread = threads === 1 || batches * rows.size * columns.size * Math.max(k, 4) < smallProduct;
  const key = `dot ${JSON.stringify([batch, rows, columns, k, a, b])} ${oneThread} ${stores.map((s) => `${s.slot}[${s.index.key}]=${s.value.id}`).join()} ${interner.key}`;
  const f = module.once(key, () => module.define(kernel.name, ['i32', 'i32', ...interner.slots.map(() => 'i32' as const)], [], (builder) => {
    emit(module, builder, shape, batches, oneThread ? 1 : threads);
  }));
  return { f, slots: interner.slots, oneThread };
}

/** What one thread works on: ranges of batch, row units and column units. */
export interface Ranges { readonly batch: { start: Local; end: Local }; readonly rows: { start: Local; end: Local }; readonly columns: { start: Local; end: Local } }

/** The ranges of a thread in a grid; threads beyond the grid return at once. */
export function threadRanges(f: FunctionBuilder, thread: Code, grid: Grid, batches: number, rowUnits: number, columnUnits: number): Ranges {
  const total = grid.batch * grid.rows * grid.columns;
  f.body.push(when(op('i32.ge_u', thread, int(total)), op('return')));
  const inRows = named(f, 'i32', f.body, op('i32.rem_u', op('i32.div_u', thread, int(grid.columns)), int(grid.rows)));
  const inColumns = named(f, 'i32', f.body, op('i32.rem_u', thread, int(grid.columns)));
  const inBatch = named(f, 'i32', f.body, op('i32.div_u', thread, int(grid.rows * grid.columns)));
  return {
    batch: share(f, f.body, inBatch, grid.batch, batches),
    rows: share(f, f.body, inRows, grid.rows, rowUnits),
    columns: share(f, f.body, inColumns, grid.columns, columnUnits),
  };
}

/** Address of an operand's element at the current batch point, row or column `across` and k = `along`. */
export function operandAddress(base: Code, operand: Operand, across: Code, along: Code): Code {
  const bytes = bytesOf(operand);
  return add(add(base, mul(across, int(operand.across * bytes))), mul(along, int(operand.along * bytes)));
}

/** Loops over a thread's batch points: binds the batch axes and gives each operand's address there. */
export function batchLoop(e: Emitter, shape: DotShape, ranges: Ranges, build: (a: Code, b: Code) => void): void {
  const { f } = e, position = f.local('i32');
  const body = e.scope(() => {
    const coordinates: Code[] = [];
    const rest = f.local('i32');
    e.push(set(rest, get(position)));
    for (let i = shape.batch.length - 1; i >= 0; i--) {
      const { axis, size } = shape.batch[i]!;
      const value = f.local('i32');
      e.push(set(value, i === 0 ? get(rest) : op('i32.rem_u', get(rest), int(size))));
      if (i > 0) e.push(set(rest, op('i32.div_u', get(rest), int(size))));
      e.bind(axis, value);
      coordinates[i] = get(value);
    }
    const base = (operand: Operand): Code => named(f, 'i32', e.segment, coordinates.reduce<Code>(
      (sum, at, i) => add(sum, mul(at, int(operand.batch[i]! * bytesOf(operand)))), add(get(e.slots[operand.slot]!), int(operand.offset * bytesOf(operand)))));
    build(base(shape.a), base(shape.b));
  });
  e.push(forRange(position, get(ranges.batch.start), get(ranges.batch.end), int(1), body));
}

/**
 * Runs the stores over rows [rowStart, rowEnd) and columns [columnStart, columnEnd) of a finished block; element
 * (rowStart, columnStart) of the product is at `block`, rows `stride` bytes apart. Column bounds are multiples of 4, or the size.
 */
export function finishBlock(e: Emitter, shape: DotShape, block: Code, stride: Code, rowStart: Code, rowEnd: Code, columnStart: Code, columnEnd: Code): void {
  const { f } = e, { rows, columns, stores } = shape;
  const row = f.local('i32'), line = f.local('i32');
  e.push(set(line, sub(block, mul(columnStart, int(4)))));
  const body = e.scope(() => {
    if (rows.axis >= 0) e.bind(rows.axis, row);
    const axis = columns.axis >= 0 ? columns.axis : 27;
    vectorLoop(e, axis, columns.size, 1, () => {
      e.accumulator = () => load('v128.load', add(get(line), e.vectorOffset()));
      const values = stores.map((store) => e.value(store.value));
      stores.forEach((store, i) => { e.store(store, 0, values[i]!); });
    }, { start: columnStart, end: columnEnd });
    e.push(set(line, add(get(line), stride)));
  });
  e.push(forRange(row, rowStart, rowEnd, int(1), body));
}

/** Bytes between rows of the result where it can be written in place of a block: one plain f32 store, no edges. */
function directStride({ stores, rows, columns }: DotShape): number | undefined {
  const [store, more] = stores;
  if (!store || more || store.stored !== 'f32' || store.value.kind !== 'accumulator') return undefined;
  if (rows.size % tileRows || columns.size % tileColumns || strideAlong(store.index, columns.axis) !== 1) return undefined;
  if (store.index.base < 0 || store.index.terms.some(({ atom, factor }) => atom.what.kind !== 'loop' || factor < 0)) return undefined;
  const stride = strideAlong(store.index, rows.axis);
  return stride === 'irregular' ? undefined : stride * 4;
}

function emit(module: ModuleBuilder, f: FunctionBuilder, shape: DotShape, batches: number, threads: number): void {
  const e = new Emitter(module, f, shape.interner.slots.map((_, i) => f.param(i + 2)));
  if (isSkinny(shape)) { emitSkinny(e, shape, batches, threads); return; }
  const { rows, columns, k, a, b } = shape;
  const rowPanels = Math.ceil(rows.size / tileRows), columnPanels = Math.ceil(columns.size / tileColumns);
  const grid = threadGrid(threads, batches, rowPanels, columnPanels, tileRows, tileColumns);
  const ranges = threadRanges(f, get(f.param(0)), grid, batches, rowPanels, columnPanels);
  const scratch = (offset: number): Code => named(f, 'i32', f.body, add(get(f.param(1)), int(offset)));
  const [aPanels, bPanels, block] = [scratch(scratchOffset.a), scratch(scratchOffset.b), scratch(scratchOffset.c)];

  // The left operand's block stays in the second-level cache; the right one's panels come from the third, once a block.
  const stretches = Math.max(1, Math.ceil(k / packK)), depth = Math.max(1, Math.ceil(k / stretches));
  const direct = directStride(shape);
  const columnBlock = Math.max(1, Math.min(columnPanels, Math.floor(panelBytes.b / (4 * depth * tileColumns)), direct === undefined ? 128 : Infinity));
  const rowBlock = Math.max(1, Math.min(rowPanels, 32, Math.floor(panelBytes.a / (4 * depth * tileRows))));
  // Rows whose results are held together until every stretch of k is in.
  const held = Math.floor(panelBytes.c / (4 * columnBlock * tileColumns * tileRows));
  const rowGroup = direct !== undefined ? rowPanels : stretches > 1 ? Math.max(1, Math.min(rowPanels, held)) : Math.max(1, Math.min(rowBlock, held));
  const packA = packFunction(module, tileRows, grain(a.across, a.along), a.dtype);
  const packB = packFunction(module, tileColumns, grain(b.across, b.along), b.dtype);
  const tiles = tilesFunction(module, packedRows);
  const number = (value: Code): Code => named(f, 'i32', e.segment, value);
  const step = (panels: number, end: Local, at: Local): Code => number(minimum(int(panels), sub(get(end), get(at))));

  batchLoop(e, shape, ranges, (aBase, bBase) => {
    const column = f.local('i32'), group = f.local('i32'), row = f.local('i32'), start = f.local('i32');
    const columnBody = e.scope(() => {
      const panels = step(columnBlock, ranges.columns.end, column);
      const firstColumn = number(mul(get(column), int(tileColumns)));
      const endColumn = number(minimum(int(columns.size), add(firstColumn, mul(panels, int(tileColumns)))));
      const stride = direct === undefined ? number(mul(panels, int(4 * tileColumns))) : int(direct);
      const packColumns = (length: Code): Code => (k === 0 ? [] : call(packB, bPanels, operandAddress(bBase, b, firstColumn, get(start)),
        int(b.across * bytesOf(b)), int(b.along * bytesOf(b)), sub(endColumn, firstColumn), length));
      e.push(set(start, int(0)));
      if (stretches === 1) e.push(packColumns(int(k)));
      const groupBody = e.scope(() => {
        const groupEnd = f.local('i32');
        e.push(set(groupEnd, minimum(get(ranges.rows.end), add(get(group), int(rowGroup)))));
        const groupRow = number(mul(get(group), int(tileRows)));
        const groupTarget = direct === undefined ? block : directAddress(e, shape, groupRow, firstColumn);
        const stretchBody = e.scope(() => {
          const length = stretches === 1 ? int(k) : number(minimum(int(depth), sub(int(k), get(start))));
          if (stretches > 1) e.push(packColumns(length));
          const rowBody = e.scope(() => {
            const height = step(rowBlock, groupEnd, row);
            const firstRow = number(mul(get(row), int(tileRows)));
            const target = number(add(groupTarget, mul(sub(firstRow, groupRow), stride)));
            if (k === 0) {
              e.push(call(tiles, aPanels, bPanels, target, stride, height, panels, int(0), int(0), int(0), int(0)));
              return;
            }
            const endRow = minimum(int(rows.size), add(firstRow, mul(height, int(tileRows))));
            e.push(call(packA, aPanels, operandAddress(aBase, a, firstRow, get(start)), int(a.across * bytesOf(a)), int(a.along * bytesOf(a)), sub(endRow, firstRow), length));
            e.push(call(tiles, aPanels, bPanels, target, stride, height, panels, length, scaled(length, 4 * tileRows), scaled(length, 4 * tileColumns), get(start)));
          });
          e.push(forRange(row, get(group), get(groupEnd), int(rowBlock), rowBody));
        });
        if (stretches === 1) e.push(stretchBody); else e.push(forRange(start, int(0), int(k), int(depth), stretchBody));
        if (direct === undefined) finishBlock(e, shape, block, stride, groupRow, number(minimum(int(rows.size), mul(get(groupEnd), int(tileRows)))), firstColumn, endColumn);
      });
      e.push(forRange(group, get(ranges.rows.start), get(ranges.rows.end), int(rowGroup), groupBody));
    });
    e.push(forRange(column, get(ranges.columns.start), get(ranges.columns.end), int(columnBlock), columnBody));
  });
}

/** Address of element (row, column) of the result at the current batch point, for a store that may be written directly. */
function directAddress(e: Emitter, { stores, rows, columns }: DotShape, row: Code, column: Code): Code {
  const { index, slot } = stores[0]!;
  return named(e.f, 'i32', e.segment, index.terms.reduce<Code>((sum, { atom, factor }) => {
    if (atom.what.kind !== 'loop') throw new Error('dot: a direct store has a plain index');
    const { axis } = atom.what;
    const value = axis === rows.axis ? row : axis === columns.axis ? column : e.axis(axis);
    return add(sum, mul(value, int(4 * factor)));
  }, add(get(e.slots[slot]!), int(4 * index.base))));
}

/** Products with one to three rows (decoding): the right operand streams once through the registers, unpacked. */
import { accessLane, add, call, forRange, get, int, load, minimum, mul, multiplyAdd, named, op, repeat, set, shuffle, store, sub, vectorConstant } from './code.js';
import type { Code, FunctionBuilder, Local, Segment } from './encoder.js';
import { batchLoop, finishBlock, operandAddress, threadRanges } from './dot.js';
import { threadGrid } from './dot-shape.js';
import type { DotShape, Operand } from './dot-shape.js';
import type { Emitter } from './emitter.js';
import { loadHalves } from './half.js';
import { panelBytes, scratchOffset } from './layout.js';
import { grain, packFunction } from './pack.js';

const chunkColumns = 1024;

/** Whether this path serves a product: few rows, and a right operand that is contiguous one way or the other. */
export const isSkinny = ({ rows, columns, k, b }: DotShape): boolean =>
  rows.size <= 3 && columns.size >= 4 && k > 0 && k <= panelBytes.a / 16 - 4 && (b.across === 1 || b.along === 1);

/** Emits the product; rows of the left operand are first copied to f32, interleaved by four. */
export function emitSkinny(e: Emitter, shape: DotShape, batches: number, threads: number): void {
  const { f, module } = e, { rows, columns, k, a, b } = shape;
  const wide = b.across === 1;
  const unit = wide ? (rows.size === 1 ? 32 : 16) : 4;
  const units = Math.ceil(columns.size / unit);
  const grid = threadGrid(threads, batches, 1, units, rows.size, unit);
  const ranges = threadRanges(f, get(f.param(0)), { ...grid, rows: 1 }, batches, 1, units);
  const left = named(f, 'i32', f.body, add(get(f.param(1)), int(scratchOffset.a)));
  const block = named(f, 'i32', f.body, add(get(f.param(1)), int(scratchOffset.c)));
  const stride = 4 * chunkColumns;
  const packA = packFunction(module, 4, grain(a.across, a.along), a.dtype);
  batchLoop(e, shape, ranges, (aBase, bBase) => {
    e.push(call(packA, left, aBase, int(a.across * (a.dtype === 'f16' ? 2 : 4)), int(a.along * (a.dtype === 'f16' ? 2 : 4)), int(rows.size), int(k)));
    const column = f.local('i32'), inner = f.local('i32');
    const body = e.scope(() => {
      const first = named(f, 'i32', e.segment, mul(get(column), int(unit)));
      const end = named(f, 'i32', e.segment, minimum(int(columns.size), minimum(add(first, int(chunkColumns)), mul(get(ranges.columns.end), int(unit)))));
      const compute = wide ? wideColumns(f, b, rows.size, k, unit, left, bBase, get(inner)) : deepColumns(f, b, rows.size, columns.size, k, left, bBase, get(inner));
      const results: Segment = [compute.code, compute.sums.map((row, r) => row.map((sum, i) =>
        store('v128.store', add(block, mul(sub(get(inner), first), int(4))), get(sum), r * stride + 16 * i)))];
      e.push(forRange(inner, first, end, int(unit), results));
      finishBlock(e, shape, block, int(stride), int(0), int(rows.size), first, end);
    });
    e.push(forRange(column, get(ranges.columns.start), get(ranges.columns.end), int(chunkColumns / unit), body));
  });
}

/** `unit` columns from `column` on, contiguous in memory: a vector of columns an accumulator. */
function wideColumns(f: FunctionBuilder, b: Operand, rows: number, k: number, unit: number, left: Code, bBase: Code, column: Code): { code: Code; sums: Local[][] } {
  const half = b.dtype === 'f16', bytes = half ? 2 : 4;
  const sums = Array.from({ length: rows }, () => Array.from({ length: unit / 4 }, () => f.local('v128')));
  const at = f.local('i32'), from = f.local('i32'), end = f.local('i32'), x = f.local('v128');
  const body: Segment = [];
  const vectors = Array.from({ length: unit / 4 }, (_, i) => named(f, 'v128', body, half ? loadHalves(f, body, get(from), 8 * i) : load('v128.load', get(from), 16 * i)));
  sums.forEach((row, r) => {
    body.push(set(x, load('v128.load32_splat', get(at), 4 * r)));
    row.forEach((sum, i) => { body.push(set(sum, multiplyAdd(f, get(x), vectors[i]!, get(sum)))); });
  });
  body.push(set(at, add(get(at), int(16))), set(from, add(get(from), int(b.along * bytes))));
  return {
    sums,
    code: [
      sums.map((row) => row.map((sum) => set(sum, vectorConstant([0, 0, 0, 0])))),
      set(at, left), set(end, add(left, int(16 * k))), set(from, operandAddress(bBase, b, column, int(0))),
      repeat(body, op('i32.ne', get(at), get(end))),
    ],
  };
}

/** Four columns from `column` on, each contiguous along k: four terms of a column an accumulator, added up at the end. */
function deepColumns(f: FunctionBuilder, b: Operand, rows: number, columns: number, k: number, left: Code, bBase: Code, column: Code): { code: Code; sums: Local[][] } {
  const half = b.dtype === 'f16', bytes = half ? 2 : 4;
  const partial = Array.from({ length: rows }, () => Array.from({ length: 4 }, () => f.local('v128')));
  const pointers = [0, 1, 2, 3].map(() => f.local('i32'));
  const at = f.local('i32'), end = f.local('i32');
  const code: Segment = [partial.map((row) => row.map((sum) => set(sum, vectorConstant([0, 0, 0, 0]))))];
  // Columns past the last one read the last one: their sums are never stored.
  pointers.forEach((pointer, i) => { code.push(set(pointer, operandAddress(bBase, b, minimum(add(column, int(i)), int(columns - 1)), int(0)))); });
  const step = (lanes: number): Segment => {
    const body: Segment = [];
    const mask = [0, 1, 2, 3].map((l) => (l < lanes ? -1 : 0)) as [number, number, number, number];
    const values = pointers.map((pointer) => {
      const raw = half ? loadHalves(f, body, get(pointer)) : load('v128.load', get(pointer));
      return named(f, 'v128', body, lanes === 4 ? raw : op('v128.and', raw, vectorConstant(mask)));
    });
    for (let r = 0; r < rows; r++) {
      // the left rows are interleaved by four: gather four k of row r
      let x: Code = load('v128.load32_zero', get(at), 4 * r);
      for (let l = 1; l < lanes; l++) x = accessLane('v128.load32_lane', get(at), named(f, 'v128', body, x), l, 16 * l + 4 * r);
      const terms = named(f, 'v128', body, x);
      values.forEach((value, i) => { body.push(set(partial[r]![i]!, multiplyAdd(f, terms, value, get(partial[r]![i]!)))); });
    }
    body.push(set(at, add(get(at), int(64))), pointers.map((pointer) => set(pointer, add(get(pointer), int(4 * bytes)))));
    return body;
  };
  code.push(set(at, left), set(end, add(left, int(64 * Math.floor(k / 4)))));
  if (k >= 4) code.push(repeat(step(4), op('i32.ne', get(at), get(end))));
  if (k % 4) code.push(step(k % 4));
  const sums = partial.map((row) => {
    const [p, q, r, s] = row.map(get) as [Code, Code, Code, Code];
    const pair = (x: Code, y: Code): Code => named(f, 'v128', code, op('f32x4.add', shuffle(x, y, [0, 4, 2, 6]), shuffle(x, y, [1, 5, 3, 7])));
    const low = pair(p, q), high = pair(r, s), sum = f.local('v128');
    code.push(set(sum, op('f32x4.add', shuffle(low, high, [0, 1, 4, 5]), shuffle(low, high, [2, 3, 6, 7]))));
    return [sum];
  });
  return { code, sums };
}

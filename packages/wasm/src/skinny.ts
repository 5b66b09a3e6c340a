/** Products with few rows (decoding): the right operand streams once from memory, unpacked. */
import type { DType } from '@ashlar/tensor';
import { access, accessLane, add, call, fillBytes, forRange, get, int, load, minimum, mul, multiplyAdd, named, op, repeat, set, shuffle, store, sub, vectorConstant, whileBelow } from './code.js';
import type { Code, FunctionBuilder, Local, ModuleBuilder, Segment } from './encoder.js';
import { batchLoop, finishBlock, operandAddress, threadRanges } from './dot.js';
import { threadGrid } from './dot-shape.js';
import type { DotShape, Operand } from './dot-shape.js';
import type { Emitter } from './emitter.js';
import { halfToFloat, loadHalves } from './half.js';
import { panelBytes, scratchOffset } from './layout.js';

/** Most rows where the right operand is contiguous along columns, and along k. */
const wideRows = 8, deepRows = 3;
/** Columns whose results are held at once: they stay in the first-level cache. */
const chunk = 512;
/** Rows of the right operand that are read side by side. */
const together = 4;

/** Whether this path serves a product. */
export const isSkinny = ({ rows, columns, k, b }: DotShape): boolean =>
  columns.size >= 4 && k > 0 && rows.size * (k + 4) * 4 <= panelBytes.a && ((b.across === 1 && rows.size <= wideRows) || (b.along === 1 && rows.size <= deepRows));

/** Emits the product; rows of the left operand are first copied to contiguous f32. */
export function emitSkinny(e: Emitter, shape: DotShape, batches: number, threads: number): void {
  const { f, module } = e, { rows, columns, k, a, b } = shape;
  const wide = b.across === 1, unit = wide ? 16 : 4;
  const units = Math.ceil(columns.size / unit);
  const grid = { ...threadGrid(threads, batches, 1, units, rows.size, unit), rows: 1 };
  const ranges = threadRanges(f, get(f.param(0)), grid, batches, 1, units);
  const left = named(f, 'i32', f.body, add(get(f.param(1)), int(scratchOffset.a)));
  const block = named(f, 'i32', f.body, add(get(f.param(1)), int(scratchOffset.c)));
  const aBytes = a.dtype === 'f16' ? 2 : 4, rowBytes = 4 * (k + (4 - (k % 4)) % 4), stride = 4 * chunk;
  const copy = copyRow(module, a.dtype);
  batchLoop(e, shape, ranges, (aBase, bBase) => {
    for (let r = 0; r < rows.size; r++) e.push(call(copy, add(left, int(r * rowBytes)), add(aBase, int(r * a.across * aBytes)), int(a.along * aBytes), int(k)));
    const column = f.local('i32');
    const body = e.scope(() => {
      const first = named(f, 'i32', e.segment, mul(get(column), int(unit)));
      const end = named(f, 'i32', e.segment, minimum(int(columns.size), minimum(add(first, int(chunk)), mul(get(ranges.columns.end), int(unit)))));
      e.push(wide ? wideColumns(f, b, rows.size, k, left, rowBytes, bBase, first, end, block) : deepColumns(f, b, rows.size, columns.size, k, left, rowBytes, bBase, first, end, block));
      finishBlock(e, shape, block, int(stride), int(0), int(rows.size), first, end);
    });
    e.push(forRange(column, get(ranges.columns.start), get(ranges.columns.end), int(chunk / unit), body));
  });
}

/** copyRow(target, source, step, n): n elements, `step` bytes apart, become contiguous f32. */
export const copyRow = (module: ModuleBuilder, dtype: DType): FunctionBuilder => module.once(`copyRow ${dtype}`, () =>
  module.define(`copyRow_${dtype}`, ['i32', 'i32', 'i32', 'i32'], [], (f) => {
    const [target, source, step, n] = f.params as [Local, Local, Local, Local], end = f.local('i32'), body: Segment = [];
    const value = dtype === 'f16' ? halfToFloat(f, body, op('i32x4.splat', access('i32.load16_u', [get(source)]))) : load('v128.load32_zero', get(source));
    body.push(accessLane('v128.store32_lane', get(target), value, 0), set(source, add(get(source), get(step))));
    f.body.push(set(end, add(get(target), mul(get(n), int(4)))), whileBelow(target, get(end), int(4), body));
  }));

/** Columns [first, end), contiguous in memory: a few rows of the right operand at a time are added to the held results. */
function wideColumns(f: FunctionBuilder, b: Operand, rows: number, k: number, left: Code, rowBytes: number, bBase: Code, first: Code, end: Code, block: Code): Code {
  const half = b.dtype === 'f16', bytes = half ? 2 : 4, stride = 4 * chunk;
  const at = f.local('i32'), from = f.local('i32'), stop = f.local('i32'), done = f.local('i32'), pointer = f.local('i32');
  const pointers = Array.from({ length: together }, () => f.local('i32'));
  const factors = Array.from({ length: rows }, () => Array.from({ length: together }, () => f.local('v128')));
  const out: Segment = [set(done, mul(op('i32.shr_u', add(sub(end, first), int(3)), int(2)), int(16)))];
  for (let r = 0; r < rows; r++) out.push(fillBytes(add(block, int(r * stride)), int(0), get(done)));
  out.push(set(from, operandAddress(bBase, b, first, int(0))), set(at, left));
  /** Adds `count` rows of the right operand. */
  const step = (count: number): Code => {
    const inner: Segment = [];
    const values = pointers.slice(0, count).map((one) => named(f, 'v128', inner, half ? loadHalves(f, inner, get(one)) : load('v128.load', get(one))));
    for (let r = 0; r < rows; r++) {
      inner.push(store('v128.store', get(pointer), values.reduce<Code>((sum, value, i) => multiplyAdd(f, get(factors[r]![i]!), value, sum), load('v128.load', get(pointer), r * stride)), r * stride));
    }
    inner.push(pointers.slice(0, count).map((one) => set(one, add(get(one), int(4 * bytes)))));
    return [
      factors.map((row, r) => row.slice(0, count).map((factor, i) => set(factor, load('v128.load32_splat', get(at), r * rowBytes + 4 * i)))),
      pointers.slice(0, count).map((one, i) => set(one, i === 0 ? get(from) : add(get(pointers[i - 1]!), int(b.along * bytes)))),
      set(pointer, block), whileBelow(pointer, add(block, get(done)), int(16), inner),
      set(at, add(get(at), int(4 * count))), set(from, add(get(from), int(count * b.along * bytes))),
    ];
  };
  const whole = Math.floor(k / together);
  if (whole) out.push(set(stop, add(left, int(4 * together * whole))), repeat(step(together), op('i32.ne', get(at), get(stop))));
  for (let rest = k % together; rest > 0; rest--) out.push(step(1));
  return out;
}

/** Columns [first, end), each contiguous along k: four terms of a column an accumulator, added up at the end. */
function deepColumns(f: FunctionBuilder, b: Operand, rows: number, columns: number, k: number, left: Code, rowBytes: number, bBase: Code, first: Code, end: Code, block: Code): Code {
  const half = b.dtype === 'f16', bytes = half ? 2 : 4, stride = 4 * chunk;
  const partial = Array.from({ length: rows }, () => Array.from({ length: 4 }, () => f.local('v128')));
  const pointers = [0, 1, 2, 3].map(() => f.local('i32'));
  const at = f.local('i32'), stop = f.local('i32'), column = f.local('i32');
  const out: Segment = [partial.map((row) => row.map((sum) => set(sum, vectorConstant([0, 0, 0, 0]))))];
  // Columns past the last one read the last one: their sums are never stored.
  pointers.forEach((pointer, i) => { out.push(set(pointer, operandAddress(bBase, b, minimum(add(get(column), int(i)), int(columns - 1)), int(0)))); });
  const step = (lanes: number): Segment => {
    const body: Segment = [];
    const mask = vectorConstant([0, 1, 2, 3].map((l) => (l < lanes ? -1 : 0)) as [number, number, number, number]);
    const kept = (value: Code): Code => named(f, 'v128', body, lanes === 4 ? value : op('v128.and', value, mask));
    const values = pointers.map((pointer) => kept(half ? loadHalves(f, body, get(pointer)) : load('v128.load', get(pointer))));
    for (let r = 0; r < rows; r++) {
      const terms = kept(load('v128.load', get(at), r * rowBytes));
      values.forEach((value, i) => { body.push(set(partial[r]![i]!, multiplyAdd(f, terms, value, get(partial[r]![i]!)))); });
    }
    body.push(set(at, add(get(at), int(16))), pointers.map((pointer) => set(pointer, add(get(pointer), int(4 * bytes)))));
    return body;
  };
  out.push(set(at, left), set(stop, add(left, int(16 * Math.floor(k / 4)))));
  if (k >= 4) out.push(repeat(step(4), op('i32.ne', get(at), get(stop))));
  if (k % 4) out.push(step(k % 4));
  partial.forEach((row, r) => {
    out.push(store('v128.store', add(block, mul(sub(get(column), first), int(4))), addAcross(f, out, row.map(get)), r * stride));
  });
  return forRange(column, first, end, int(4), out);
}

/** The sums of the lanes of four vectors, as the lanes of one. */
export function addAcross(f: FunctionBuilder, out: Segment, vectors: readonly Code[]): Code {
  const [p, q, s, t] = vectors as [Code, Code, Code, Code];
  const pair = (x: Code, y: Code): Code => named(f, 'v128', out, op('f32x4.add', shuffle(x, y, [0, 4, 2, 6]), shuffle(x, y, [1, 5, 3, 7])));
  const low = pair(p, q), high = pair(s, t);
  return named(f, 'v128', out, op('f32x4.add', shuffle(low, high, [0, 1, 4, 5]), shuffle(low, high, [2, 3, 6, 7])));
}

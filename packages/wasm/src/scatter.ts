/** Row scatter-add: columns are divided among threads, so every row is summed in the order of its updates. */
import type { ScatterKernel, View } from '@ashlar/tensor';
import { access, accessLane, add, fillBytes, forRange, get, int, load, minimum, mul, named, op, set, store, sub, when } from './code.js';
import type { Code, FunctionBuilder, ModuleBuilder, Segment } from './encoder.js';
import { floatToHalf, halfToFloat, loadHalves } from './half.js';
import { scratchBytes } from './layout.js';
import type { CompiledKernel } from './loop.js';
import { share } from './nest.js';

const smallWork = 8_000;

/** The function of a scatter kernel, or undefined where its result is empty. */
export function compileScatter(module: ModuleBuilder, kernel: ScatterKernel, threads: number): CompiledKernel | undefined {
  const { rows, columns, count, indices, updates, out } = kernel;
  if (rows === 0 || columns === 0) return undefined;
  const slots = [...new Map([indices.slot, updates.slot, out].map((slot) => [slot.id, slot])).values()];
  const number = (id: number): number => slots.findIndex((slot) => slot.id === id);
  const oneThread = threads === 1 || (count + rows) * columns < smallWork;
  const view = (v: View): unknown => [number(v.slot.id), v.offset, v.strides];
  const key = `scatter ${JSON.stringify([rows, columns, count, view(indices), view(updates), number(out.id), slots.map(({ dtype }) => dtype), oneThread])}`;
  const f = module.once(key, () => module.define(kernel.name, ['i32', 'i32', ...slots.map(() => 'i32' as const)], [], (builder) => {
    emit(builder, kernel, oneThread ? 1 : threads, (id) => get(builder.param(2 + number(id))));
  }));
  return { f, slots, oneThread };
}

function emit(f: FunctionBuilder, kernel: ScatterKernel, threads: number, address: (id: number) => Code): void {
  const { rows, columns, out } = kernel;
  const base = address(out.id);
  if (out.dtype !== 'f16') {
    // vectors of four columns, the last of them possibly narrower
    const { start, end } = share(f, f.body, get(f.param(0)), threads, Math.ceil(columns / 4));
    const from = named(f, 'i32', f.body, mul(get(start), int(4))), to = named(f, 'i32', f.body, minimum(mul(get(end), int(4)), int(columns)));
    const row = f.local('i32');
    f.body.push(when(op('i32.lt_u', from, to), [
      forRange(row, int(0), int(rows), int(1), fillBytes(add(base, add(mul(get(row), int(4 * columns)), mul(from, int(4)))), int(0), mul(sub(to, from), int(4)))),
      sumUpdates(f, kernel, address, from, to, int(0), int(rows), (r) => add(base, mul(r, int(4 * columns)))),
    ]));
    return;
  }
  // f16 results are summed as f32 in the thread's own working area, a block of rows and eight columns at a time
  const width = 8, tall = Math.min(rows, Math.floor(scratchBytes / (4 * width)));
  const area = get(f.param(1));
  const { start, end } = share(f, f.body, get(f.param(0)), threads, Math.ceil(columns / width));
  const block = f.local('i32'), top = f.local('i32'), r = f.local('i32'), c = f.local('i32');
  const body: Segment = [];
  const from = named(f, 'i32', body, mul(get(block), int(width))), to = named(f, 'i32', body, minimum(add(from, int(width)), int(columns)));
  const band: Segment = [];
  const bottom = named(f, 'i32', band, minimum(add(get(top), int(tall)), int(rows)));
  band.push(fillBytes(area, int(0), mul(sub(bottom, get(top)), int(4 * width))));
  const line = (row: Code): Code => sub(add(area, mul(sub(row, get(top)), int(4 * width))), mul(from, int(4)));
  band.push(sumUpdates(f, kernel, address, from, to, get(top), bottom, line));
  const write: Segment = [];
  const half = floatToHalf(f, write, load('v128.load32_zero', add(line(get(r)), mul(get(c), int(4)))));
  write.push(accessLane('v128.store16_lane', add(base, mul(add(mul(get(r), int(columns)), get(c)), int(2))), half, 0));
  band.push(forRange(r, get(top), bottom, int(1), forRange(c, from, to, int(1), write)));
  body.push(forRange(top, int(0), int(rows), int(tall), band));
  f.body.push(forRange(block, get(start), get(end), int(1), body));
}

/** Adds every update whose row lies in [firstRow, endRow) to columns [from, to) of that row; `line` gives a row's address. */
function sumUpdates(f: FunctionBuilder, kernel: ScatterKernel, address: (id: number) => Code, from: Code, to: Code, firstRow: Code, endRow: Code, line: (row: Code) => Code): Code {
  const { count, indices, updates, out } = kernel;
  if (count === 0) return [];
  const integer = out.dtype === 'i32' || out.dtype === 'u32';
  const half = updates.slot.dtype === 'f16', bytes = half ? 2 : 4;
  const plus = (x: Code, y: Code): Code => op(integer ? 'i32x4.add' : 'f32x4.add', x, y);
  const n = f.local('i32'), column = f.local('i32'), row = f.local('i32');
  const [rowStride, columnStride] = updates.strides as [number, number];
  const source = (c: Code): Code => add(add(address(updates.slot.id), int(updates.offset * bytes)), add(mul(get(n), int(rowStride * bytes)), mul(c, int(columnStride * bytes))));
  const hit: Segment = [];
  const target = named(f, 'i32', hit, line(get(row)));
  const at = (c: Code): Code => add(target, mul(c, int(4)));
  hit.push(set(column, from));
  if (columnStride === 1) {
    const four: Segment = [];
    const value = half ? loadHalves(f, four, source(get(column))) : load('v128.load', source(get(column)));
    four.push(store('v128.store', at(get(column)), plus(load('v128.load', at(get(column))), value)));
    hit.push(forRange(column, from, add(from, op('i32.and', sub(to, from), int(-4))), int(4), four));
  }
  const one: Segment = [];
  const value = half ? halfToFloat(f, one, op('i32x4.splat', access('i32.load16_u', [source(get(column))]))) : load('v128.load32_zero', source(get(column)));
  one.push(accessLane('v128.store32_lane', at(get(column)), plus(load('v128.load32_zero', at(get(column))), value), 0));
  hit.push(forRange(column, get(column), to, int(1), one));
  const index = load('i32.load', add(add(address(indices.slot.id), int(indices.offset * 4)), mul(get(n), int(indices.strides[0]! * 4))));
  return forRange(n, int(0), int(count), int(1), [
    set(row, index),
    when(op('i32.and', op('i32.ge_u', get(row), firstRow), op('i32.lt_u', get(row), endRow)), hit),
  ]);
}

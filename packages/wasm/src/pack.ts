/** Copies an operand of a product into panels: `width` neighbouring elements for each k, as f32, zeros beyond the edge. */
import type { DType } from '@ashlar/tensor';
import { access, accessLane, add, forRange, get, int, load, minimum, mul, named, op, set, shuffle, store, sub, vectorConstant, when, whileBelow } from './code.js';
import type { Code, FunctionBuilder, Local, ModuleBuilder, Segment } from './encoder.js';
import { halfToFloat, loadHalves } from './half.js';

/** Which direction of the source is contiguous: across a panel, along k, or neither. */
export type Grain = 'across' | 'along' | 'strided';

/** The grain of a source by its strides in elements. */
export const grain = (acrossStride: number, alongStride: number): Grain =>
  (acrossStride === 1 ? 'across' : alongStride === 1 ? 'along' : 'strided');

/** 4×4 transposition of vectors. */
export function transpose(f: FunctionBuilder, out: Segment, rows: readonly Code[]): Code[] {
  const [a, b, c, d] = rows as [Code, Code, Code, Code];
  const [ab0, ab1, cd0, cd1] = [shuffle(a, b, [0, 4, 1, 5]), shuffle(a, b, [2, 6, 3, 7]), shuffle(c, d, [0, 4, 1, 5]), shuffle(c, d, [2, 6, 3, 7])]
    .map((v) => named(f, 'v128', out, v)) as [Code, Code, Code, Code];
  return [shuffle(ab0, cd0, [0, 1, 4, 5]), shuffle(ab0, cd0, [2, 3, 6, 7]), shuffle(ab1, cd1, [0, 1, 4, 5]), shuffle(ab1, cd1, [2, 3, 6, 7])]
    .map((v) => named(f, 'v128', out, v));
}

/**
 * pack(target, source, across, along, count, k), strides in bytes: `count` elements across become ⌈count / width⌉ panels
 * of k·width floats each: target[panel][κ][w] = source[(panel·width + w)·across + κ·along].
 */
export function packFunction(module: ModuleBuilder, width: 4 | 8, kind: Grain, dtype: DType): FunctionBuilder {
  const name = `pack_${width}_${kind}_${dtype}`;
  return module.once(name, () => module.define(name, new Array<'i32'>(6).fill('i32'), [], (f) => {
    const [target, source, across, along, count, k] = f.params as [Local, Local, Local, Local, Local, Local];
    const panelStart = f.local('i32'), valid = f.local('i32'), from = f.local('i32'), to = f.local('i32'), end = f.local('i32');
    const lane = f.local('i32'), at = f.local('i32');
    const half = dtype === 'f16', step = 4 * width;
    const four = (out: Segment, address: Code, offset = 0): Code => (half ? loadHalves(f, out, address, offset) : load('v128.load', address, offset));
    const one = (out: Segment, address: Code): Code =>
      (half ? halfToFloat(f, out, op('i32x4.splat', access('i32.load16_u', [address]))) : load('v128.load32_zero', address));

    const bodyOne: Segment = [];
    bodyOne.push(accessLane('v128.store32_lane', add(get(to), mul(get(lane), int(4))), one(bodyOne, get(at)), 0));
    const zeroOne = store('i32.store', add(get(to), mul(get(lane), int(4))), int(0));
    /** Element by element, from `from` (at κ) and `to` on, until `to` reaches `end`. */
    const slow: Code = whileBelow(to, get(end), int(step), [
      set(at, get(from)),
      forRange(lane, int(0), int(width), int(1), [
        when(op('i32.lt_u', get(lane), get(valid)), bodyOne, zeroOne),
        set(at, add(get(at), get(across))),
      ]),
      set(from, add(get(from), get(along))),
    ]);

    const fast: Segment = [];
    if (kind === 'across') {
      const body: Segment = [];
      for (let w = 0; w < width; w += 4) body.push(store('v128.store', get(to), four(body, get(from), w * (half ? 2 : 4)), 4 * w));
      body.push(set(from, add(get(from), get(along))));
      fast.push(whileBelow(to, get(end), int(step), body));
    } else if (kind === 'along') {
      // four k of each row at a time
      const body: Segment = [];
      for (let w = 0; w < width; w += 4) {
        const rows = [0, 1, 2, 3].map((r) => {
          if (w + r === 0) body.push(set(at, get(from))); else body.push(set(at, add(get(at), get(across))));
          return named(f, 'v128', body, four(body, get(at)));
        });
        transpose(f, body, rows).forEach((column, i) => { body.push(store('v128.store', get(to), column, i * step + 4 * w)); });
      }
      body.push(set(from, add(get(from), int(half ? 8 : 16))));
      const whole = f.local('i32');
      fast.push(set(whole, add(get(target), mul(op('i32.and', get(k), int(-4)), int(step)))));
      fast.push(whileBelow(to, get(whole), int(4 * step), body));
    }
    f.body.push(set(panelStart, int(0)));
    if (kind === 'across') {
      // 32 elements across at once: whole cache lines of the source, several panels of the target side by side
      const panels = 32 / width, panelBytes = f.local('i32'), many: Segment = [];
      const targets = Array.from({ length: panels }, () => f.local('i32'));
      for (let w = 0; w < 32; w += 4) many.push(store('v128.store', get(targets[Math.floor(w / width)]!), four(many, get(from), w * (half ? 2 : 4)), 4 * (w % width)));
      many.push(set(from, add(get(from), get(along))), targets.slice(1).map((one) => set(one, add(get(one), int(step)))));
      f.body.push(
        set(panelBytes, mul(get(k), int(step))),
        whileBelow(panelStart, op('i32.and', get(count), int(-32)), int(32), [
          targets.map((one, i) => set(one, i === 0 ? get(target) : add(get(targets[i - 1]!), get(panelBytes)))),
          set(from, get(source)), set(end, add(get(target), get(panelBytes))),
          whileBelow(targets[0]!, get(end), int(step), many),
          set(target, add(get(target), mul(get(panelBytes), int(panels)))),
          set(source, add(get(source), int(32 * (half ? 2 : 4)))),
        ]),
      );
    }
    f.body.push(whileBelow(panelStart, get(count), int(width), [
      set(valid, minimum(sub(get(count), get(panelStart)), int(width))),
      set(from, get(source)), set(to, get(target)), set(end, add(get(target), mul(get(k), int(step)))),
      kind === 'strided' ? [] : when(op('i32.eq', get(valid), int(width)), fast),
      slow,
      set(target, get(end)),
      set(source, add(get(source), mul(get(across), int(width)))),
    ]));
  }));
}

/**
 * rows(target, source, across, along, count), strides in bytes: `count` rows of k elements become rows of ⌈k / 8⌉ · 8
 * floats, with zeros beyond k and in further rows up to a multiple of four. `contiguous`: whether `along` is one element.
 */
export function rowsFunction(module: ModuleBuilder, k: number, contiguous: boolean, dtype: DType): FunctionBuilder {
  const name = `rows_${k}_${contiguous ? 'along' : 'strided'}_${dtype}`;
  return module.once(name, () => module.define(name, new Array<'i32'>(5).fill('i32'), [], (f) => {
    const [target, source, across, along, count] = f.params as [Local, Local, Local, Local, Local];
    const from = f.local('i32'), to = f.local('i32'), end = f.local('i32'), half = dtype === 'f16', rowBytes = 32 * Math.ceil(k / 8), bytes = half ? 2 : 4;
    const row: Segment = [set(from, get(source)), set(to, get(target))];
    const one = (out: Segment, offset: number): Code => accessLane('v128.store32_lane', get(to), half ? halfToFloat(f, out, op('i32x4.splat', access('i32.load16_u', [get(from)], offset * bytes))) : load('v128.load32_zero', get(from), offset * bytes), 0, 4 * offset);
    /** `times` times what `body` does, which moves both ends by `elements`. */
    const repeated = (times: number, elements: number, step: Code, body: Segment): Code => {
      body.push(set(from, add(get(from), step)));
      return times === 1 ? [body, set(to, add(get(to), int(4 * elements)))] : [set(end, add(get(to), int(4 * elements * times))), whileBelow(to, get(end), int(4 * elements), body)];
    };
    if (contiguous) {
      // many vectors at once, so that many rows are under way where they are far apart in memory
      const vectors = Math.floor(k / 4), together = [16, 8, 4, 2, 1].find((n) => vectors % n === 0)!, body: Segment = [];
      const all = Array.from({ length: together }, (_, i) => named(f, 'v128', body, half ? loadHalves(f, body, get(from), 8 * i) : load('v128.load', get(from), 16 * i)));
      body.push(all.map((x, i) => store('v128.store', get(to), x, 16 * i)));
      if (vectors > 0) row.push(repeated(vectors / together, 4 * together, int(4 * together * bytes), body));
      for (let i = 0; i < k % 4; i++) row.push(one(row, i));
      row.push(set(to, add(get(to), int(4 * (k % 4)))));
    } else {
      const body: Segment = [];
      body.push(one(body, 0));
      row.push(repeated(k, 1, get(along), body));
    }
    for (let i = 0; i < rowBytes / 4 - k; i++) row.push(store('i32.store', get(to), int(0), 4 * i));
    f.body.push(forRange(f.local('i32'), int(0), get(count), int(1), [row, set(source, add(get(source), get(across))), set(target, add(get(target), int(rowBytes)))]));
    f.body.push(set(end, add(get(target), mul(op('i32.and', sub(int(0), get(count)), int(3)), int(rowBytes)))), whileBelow(target, get(end), int(16), store('v128.store', get(target), vectorConstant([0, 0, 0, 0]))));
  }));
}

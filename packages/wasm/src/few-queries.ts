/** Attention of a few queries (decoding): keys and values are read where they lie, once a query. */
import type { DType } from '@ashlar/tensor';
import { add, forRange, get, int, load, minimum, mul, multiplyAdd, named, op, repeat, scaled, set, store, sub, vectorConstant, whileBelow } from './code.js';
import type { Code, FunctionBuilder, Local, ModuleBuilder, Segment } from './encoder.js';
import { loadHalves } from './half.js';
import { addAcross } from './skinny.js';

const vectorOf = (f: FunctionBuilder, dtype: DType, out: Segment, address: Code): Code =>
  named(f, 'v128', out, dtype === 'f16' ? loadHalves(f, out, address) : load('v128.load', address));

/**
 * keyDots(scores, query, keys, step, count): scores[s] = Σ_d query[d] · keys[s, d] for s < count (more are written, up to
 * the next multiple of four). The query is f32, keys have contiguous rows `step` bytes apart. `count` ≥ 1.
 */
export const keyDotsFunction = (module: ModuleBuilder, D: number, dtype: DType): FunctionBuilder => module.once(`keyDots ${D} ${dtype}`, () =>
  module.define(`keyDots_${D}_${dtype}`, new Array<'i32'>(5).fill('i32'), [], (f) => {
    const [scores, query, keys, step, count] = f.params as [Local, Local, Local, Local, Local];
    const s = f.local('i32'), at = f.local('i32'), end = f.local('i32');
    const pointers = [0, 1, 2, 3].map(() => f.local('i32')), sums = [0, 1, 2, 3].map(() => f.local('v128'));
    const terms = (lanes: number): Segment => {
      const body: Segment = [];
      const kept = (value: Code): Code => (lanes === 4 ? value : named(f, 'v128', body, op('v128.and', value, vectorConstant([0, 1, 2, 3].map((l) => (l < lanes ? -1 : 0)) as [number, number, number, number]))));
      const q = kept(named(f, 'v128', body, load('v128.load', get(at))));
      pointers.forEach((pointer, i) => { body.push(set(sums[i]!, multiplyAdd(f, q, kept(vectorOf(f, dtype, body, get(pointer))), get(sums[i]!)))); });
      body.push(set(at, add(get(at), int(16))), pointers.map((pointer) => set(pointer, add(get(pointer), int(dtype === 'f16' ? 8 : 16)))));
      return body;
    };
    const body: Segment = [
      sums.map((sum) => set(sum, vectorConstant([0, 0, 0, 0]))),
      // keys past the last one read the last one
      pointers.map((pointer, i) => set(pointer, add(get(keys), mul(minimum(add(get(s), int(i)), sub(get(count), int(1))), get(step))))),
      set(at, get(query)), set(end, add(get(query), int(16 * Math.floor(D / 4)))),
    ];
    if (D >= 4) body.push(repeat(terms(4), op('i32.ne', get(at), get(end))));
    if (D % 4) body.push(terms(D % 4));
    body.push(store('v128.store', add(get(scores), mul(get(s), int(4))), addAcross(f, body, sums.map(get))));
    f.body.push(forRange(s, int(0), get(count), int(4), body));
  }));

/**
 * addValues(result, weights, values, step, count): result[d] += Σ_s weights[s] · values[s, d] for s < count, in the order
 * of s; d runs to the next multiple of four beyond D. Rows of the values are contiguous, `step` bytes apart.
 */
export const addValuesFunction = (module: ModuleBuilder, D: number, dtype: DType): FunctionBuilder => module.once(`addValues ${D} ${dtype}`, () =>
  module.define(`addValues_${D}_${dtype}`, new Array<'i32'>(5).fill('i32'), [], (f) => {
    const [result, weights, values, step, count] = f.params as [Local, Local, Local, Local, Local];
    const end = f.local('i32'), whole = f.local('i32'), at = f.local('i32'), stop = f.local('i32');
    const pointers = [0, 1, 2, 3].map(() => f.local('i32')), factors = [0, 1, 2, 3].map(() => f.local('v128'));
    const rows = (together: number): Code => {
      const body: Segment = [];
      const sum = pointers.slice(0, together).reduce<Code>((total, pointer, i) => multiplyAdd(f, get(factors[i]!), vectorOf(f, dtype, body, get(pointer)), total), load('v128.load', get(at)));
      body.push(store('v128.store', get(at), sum), pointers.slice(0, together).map((pointer) => set(pointer, add(get(pointer), int(dtype === 'f16' ? 8 : 16)))));
      return [
        factors.slice(0, together).map((factor, i) => set(factor, load('v128.load32_splat', get(weights), 4 * i))),
        pointers.slice(0, together).map((pointer, i) => set(pointer, i === 0 ? get(values) : add(get(pointers[i - 1]!), get(step)))),
        set(values, add(get(values), mul(get(step), int(together)))),
        set(at, get(result)), set(stop, add(get(result), int(16 * Math.ceil(D / 4)))), whileBelow(at, get(stop), int(16), body),
      ];
    };
    f.body.push(
      set(end, add(get(weights), scaled(get(count), 4))), set(whole, add(get(weights), scaled(op('i32.and', get(count), int(-4)), 4))),
      whileBelow(weights, get(whole), int(16), rows(4)),
      whileBelow(weights, get(end), int(4), rows(1)),
    );
  }));

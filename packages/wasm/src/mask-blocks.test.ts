import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Expression, Slot } from '@ashlar/tensor';
import { add, get, int, scaled, set } from './code.js';
import { ModuleBuilder } from './encoder.js';
import { possibilities } from './mask-blocks.js';
import { Interner } from './normal.js';
import { affine, binary, constant, load, slot, unary } from './test/hand-made.js';

const axis = (which: number): Expression => ({ kind: 'index', dtype: 'i32', index: affine(0, ...[0, 1, 2, 3].map((a) => Number(a === which))) });
const [query, key] = [axis(2), axis(3)];

/** Compiles the question what a mask may do: (first query, last query, first key, last key) → 1 where it may hold + 2 where it may fail. */
function compiled(mask: Expression, step = 1, contents: ReadonlyMap<Slot, Int32Array> = new Map()): (...bounds: [number, number, number, number]) => number {
  const module = new ModuleBuilder({ sharedMemory: false, maximumPages: 1, fusedMultiplyAdd: false }), memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const addressOf = new Map([...contents.keys()].map((one, i) => [one, 1024 * (i + 1)]));
  for (const [one, values] of contents) new Int32Array(memory.buffer, addressOf.get(one)!, values.length).set(values);
  module.export('f', module.define('f', ['i32', 'i32', 'i32', 'i32'], ['i32'], (f) => {
    const [a, b, c, d] = f.params.map(get) as [number[], number[], number[], number[]];
    const zero = int(0), interner = new Interner(), node = interner.node(mask);
    const slots = interner.slots.map((one) => { const local = f.local('i32'); f.body.push(set(local, int(addressOf.get(one)!))); return local; });
    const { holds, fails } = possibilities(f, f.body, node, [{ low: zero, high: zero }, { low: zero, high: zero }, { low: a, high: b, step }, { low: c, high: d, step }], slots);
    f.body.push(add(holds, scaled(fails, 2)));
  }));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { env: { memory } });
  return exports['f'] as (...bounds: number[]) => number;
}

/** The value of a mask, or of a number in it, at a query and a key. */
function evaluate(e: Expression, q: number, k: number): number {
  switch (e.kind) {
    case 'constant': return e.value;
    case 'index': return e.index.terms.reduce((sum, { atom, factor }) => {
      const of = (index: typeof e.index): number => index.terms.reduce((s, t) => s + t.factor * (t.atom.kind === 'loop' && t.atom.axis === 2 ? q : k), index.base);
      return sum + factor * (atom.kind === 'loop' ? (atom.axis === 2 ? q : k) : atom.kind === 'div' ? Math.floor(of(atom.of) / atom.by) : atom.kind === 'mod' ? of(atom.of) % atom.by : NaN);
    }, e.index.base);
    case 'unary': return e.op === 'not' ? 1 - evaluate(e.x, q, k) : -evaluate(e.x, q, k);
    case 'select': return evaluate(e.test, q, k) ? evaluate(e.x, q, k) : evaluate(e.y, q, k);
    case 'binary': {
      const x = evaluate(e.x, q, k), y = evaluate(e.y, q, k);
      switch (e.op) {
        case 'add': return x + y;
        case 'sub': return x - y;
        case 'max': return Math.max(x, y);
        case 'min': return Math.min(x, y);
        case 'mul': return x * y;
        case 'div': return Math.trunc(x / y);
        case 'mod': return x % y;
        case 'lt': return Number(x < y);
        case 'le': return Number(x <= y);
        case 'eq': return Number(x === y);
        case 'ne': return Number(x !== y);
        case 'and': return x && y;
        case 'or': return x || y;
        case 'xor': return x ^ y;
      }
    }
  }
  throw new Error(e.kind);
}

const numbersAndMasks = fc.letrec<{ number: Expression; mask: Expression }>((tie) => ({
  number: fc.oneof({ maxDepth: 3 },
    fc.constantFrom(query, key), fc.integer({ min: -40, max: 40 }).map((v) => constant(v, 'i32')),
    fc.record({ kind: fc.constantFrom('div' as const, 'mod' as const), which: fc.constantFrom(2, 3), by: fc.integer({ min: 2, max: 9 }), factor: fc.constantFrom(-2, 1, 3) }).map(({ kind, which, by, factor }): Expression =>
      ({ kind: 'index', dtype: 'i32', index: { base: 1, terms: [{ factor, atom: { kind, by, of: { base: 0, terms: [{ atom: { kind: 'loop', axis: which }, factor: 1 }] } } }] } })),
    fc.tuple(fc.constantFrom('add' as const, 'sub' as const, 'max' as const, 'min' as const, 'mul' as const), tie('number'), tie('number')).map(([op, x, y]) => binary(op, x, y)),
    fc.tuple(fc.constantFrom('div' as const, 'mod' as const), tie('number'), fc.integer({ min: 1, max: 7 })).map(([op, x, by]) => binary(op, x, constant(by, 'i32'))),
    tie('number').map((x) => unary('neg', x)),
    fc.tuple(tie('mask'), tie('number'), tie('number')).map(([t, x, y]): Expression => ({ kind: 'select', dtype: 'i32', test: t, x, y })),
  ),
  mask: fc.oneof({ maxDepth: 4 },
    fc.tuple(fc.constantFrom('lt' as const, 'le' as const, 'eq' as const, 'ne' as const), tie('number'), tie('number')).map(([op, x, y]) => binary(op, x, y)),
    fc.tuple(fc.constantFrom('and' as const, 'or' as const, 'xor' as const), tie('mask'), tie('mask')).map(([op, x, y]) => binary(op, x, y)),
    tie('mask').map((x) => unary('not', x)),
    fc.boolean().map((v) => constant(Number(v), 'bool')),
  ),
})).mask;

describe('blocks that a mask empties', () => {
  test.each([1, 2, 3, 6])('are never those where it lets something through, nor open ones those where it stops something, every %i-th place', (step) => {
    let skipped = 0, open = 0;
    fc.assert(fc.property(numbersAndMasks, fc.nat(50), fc.nat(6), fc.nat(50), fc.nat(6), (mask, q, rows, k, columns) => {
      const says = compiled(mask, step)(q, q + step * rows, k, k + step * columns);
      let holds = false, fails = false;
      for (let i = q; i <= q + step * rows; i += step) for (let j = k; j <= k + step * columns; j += step) if (evaluate(mask, i, j)) holds = true; else fails = true;
      if (says === 2) skipped++;
      if (says === 1) open++;
      expect([(says & 1) === 1 || !holds, (says & 2) === 2 || !fails]).toEqual([true, true]);
    }), { numRuns: 300 });
    expect(Math.min(skipped, open)).toBeGreaterThan(15);
  });
  test.each([1, 3])('are found among loaded numbers and bits, every %i-th place', (step) => {
    const [T, S] = [120, 140], numbers = slot('i32', S, { kind: 'work', offset: 0 }), bits = slot('bool', S, { kind: 'work', offset: 0 });
    const document = (which: 2 | 3, from = 0): Expression => load(numbers, affine(from, ...[0, 1, 2, 3].map((a) => Number(a === which))));
    const shown = load(bits, affine(0, 0, 0, 0, 1));
    const same = binary('eq', document(2), document(3)), masks = [same, binary('and', same, shown), unary('not', shown), binary('lt', document(2, 5), binary('add', document(3), constant(1, 'i32')))];
    let skipped = 0, open = 0;
    fc.assert(fc.property(fc.constantFrom(...masks.keys()), fc.array(fc.nat(40), { minLength: 2, maxLength: 5 }), fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }), fc.nat(40), fc.nat(12), fc.nat(60), fc.nat(20), (which, lengths, shows, q, rows, k, columns) => {
      const documents = Int32Array.from(lengths.flatMap((length, i) => new Array<number>(length).fill(i - 2)).concat(new Array<number>(S).fill(9)).slice(0, S)), visible = Int32Array.from({ length: S }, (_, i) => Number(shows[Math.floor(i / 18)]));
      const at = (e: Expression, i: number, j: number): number => {
        if (e.kind === 'load') { const place = e.index.base + e.index.terms.reduce((sum, { atom }) => sum + (atom.kind === 'loop' && atom.axis === 2 ? i : j), 0); return (e.slot === numbers ? documents : visible)[place]!; }
        if (e.kind === 'unary') return 1 - at(e.x, i, j);
        if (e.kind !== 'binary') return evaluate(e, i, j);
        const [x, y] = [at(e.x, i, j), at(e.y, i, j)];
        return e.op === 'eq' ? Number(x === y) : e.op === 'lt' ? Number(x < y) : e.op === 'add' ? x + y : x && y;
      };
      const [lastQ, lastK] = [Math.min(q + step * rows, T - 1 - (T - 1 - q) % step), Math.min(k + step * columns, S - 1 - (S - 1 - k) % step)];
      const says = compiled(masks[which]!, step, new Map([[numbers, documents], [bits, visible]]))(q, lastQ, k, lastK);
      let holds = false, fails = false;
      for (let i = q; i <= lastQ; i += step) for (let j = k; j <= lastK; j += step) if (at(masks[which]!, i, j)) holds = true; else fails = true;
      if (says === 2) skipped++;
      if (says === 1) open++;
      expect([(says & 1) === 1 || !holds, (says & 2) === 2 || !fails]).toEqual([true, true]);
    }), { numRuns: 300 });
    expect(Math.min(skipped, open)).toBeGreaterThan(15);
  });
  test('are found by residues', () => {
    const apart = binary('sub', query, key), third = binary('eq', binary('mod', apart, constant(3, 'i32')), constant(0, 'i32'));
    const every = compiled(third, 3);
    expect([every(3, 60, 0, 30), every(3, 60, 1, 31), every(4, 61, 1, 31), every(4, 61, 120, 150), every(4, 61, 121, 151)]).toEqual([1, 2, 1, 2, 1]);
    expect(compiled(third)(3, 60, 1, 31)).toBe(3);
    const rare = compiled(binary('le', constant(127, 'i32'), binary('mod', key, constant(128, 'i32'))));
    expect([rare(0, 9, 0, 63), rare(0, 9, 64, 127), rare(0, 9, 127, 127), rare(0, 9, 128, 191)]).toEqual([2, 3, 1, 2]);
  });
  test('are found for windows, chunks and their combinations', () => {
    const causal = binary('le', key, query), near = binary('lt', binary('sub', query, key), constant(128, 'i32'));
    const window = compiled(binary('and', causal, near));
    expect([window(256, 319, 0, 63), window(256, 319, 64, 127), window(256, 319, 128, 191), window(256, 319, 256, 319), window(256, 319, 320, 383)]).toEqual([2, 2, 3, 3, 2]);
    const first = binary('lt', key, constant(4, 'i32'));
    const sinks = compiled(binary('and', causal, binary('or', near, first)));
    expect([sinks(256, 319, 0, 63), sinks(256, 319, 64, 127), sinks(256, 319, 128, 191)]).toEqual([3, 2, 3]);
    const chunk = (e: 2 | 3): Expression => ({ kind: 'index', dtype: 'i32', index: { base: 0, terms: [{ factor: 1, atom: { kind: 'div', by: 64, of: { base: 0, terms: [{ atom: { kind: 'loop', axis: e }, factor: 1 }] } } }] } });
    const chunks = compiled(binary('eq', chunk(2), chunk(3)));
    expect([chunks(64, 127, 0, 63), chunks(64, 127, 64, 127), chunks(64, 127, 128, 191)]).toEqual([2, 1, 2]);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { attentionParts } from './attention-parts.js';
import type { BinaryOp, Expression } from './kernel.js';

const axis = (which: number): Expression => ({ kind: 'index', dtype: 'i32', index: { base: 0, terms: [{ atom: { kind: 'loop', axis: which }, factor: 1 }] } });
const constant = (value: number): Expression => ({ kind: 'constant', dtype: 'i32', value });
const binary = (op: BinaryOp, x: Expression, y: Expression): Expression => ({ kind: 'binary', op, dtype: ['add', 'sub', 'mul', 'mod', 'div'].includes(op) ? 'i32' : 'bool', x, y });
const not = (x: Expression): Expression => ({ kind: 'unary', op: 'not', dtype: 'bool', x });
const [head, query, key] = [axis(1), axis(2), axis(3)] as const, apart = binary('sub', query, key);

type AtPoint = (h: number, q: number, k: number) => number;
const operations: Partial<Record<BinaryOp, (x: number, y: number) => number>> = {
  add: (x, y) => x + y, sub: (x, y) => x - y, mul: (x, y) => x * y, mod: (x, y) => x % y, div: (x, y) => Math.trunc(x / y),
  lt: (x, y) => Number(x < y), le: (x, y) => Number(x <= y), eq: (x, y) => Number(x === y), ne: (x, y) => Number(x !== y), and: (x, y) => x & y, or: (x, y) => x | y,
};
/** An expression as a function of a point. */
function at(e: Expression): AtPoint {
  switch (e.kind) {
    case 'constant': return () => e.value;
    case 'index': { const { atom } = e.index.terms[0]!; return [() => 0, (h: number) => h, (_h: number, q: number) => q, (_h: number, _q: number, k: number) => k][(atom as { axis: number }).axis]!; }
    case 'unary': { const x = at(e.x); return (h, q, k) => 1 - x(h, q, k); }
    case 'binary': { const x = at(e.x), y = at(e.y), f = operations[e.op]!; return (h, q, k) => f(x(h, q, k), y(h, q, k)); }
    default: throw new Error(e.kind);
  }
}

/** Everything that is promised of the parts, at every `every`-th query of a head; returns them. */
function check(mask: Expression, T: number, S: number, every = 1, heads = 2): ReturnType<typeof attentionParts> {
  const parts = attentionParts(mask, { T, S });
  const wanted = at(mask);
  for (let h = heads - 2; h < heads; h += every) {
    const covered = new Uint8Array(T * S);
    for (const part of parts) {
      const { queryStep, keyStep, keyRemainders, shift, bounds, bounded } = part, here = part.mask && at(part.mask), left = part.rest && at(part.rest), seen = (q: number, k: number): boolean => !here || here(h, q, k) === 1;
      /** Whether the remainders of a query and a key leave anything. */
      const alive = new Uint8Array(queryStep * keyStep), pair = (q: number, k: number): number => (q % queryStep) * keyStep + k % keyStep;
      for (let q = 0; q < T; q += every) for (let k = 0; k < S; k++) if (seen(q, k)) {
        alive[pair(q, k)] = 1;
        covered[q * S + k]!++;
        if (k % keyStep < keyRemainders[0] || k % keyStep >= keyRemainders[1]) throw new Error(`${q} sees ${k}, whose remainder ${k % keyStep} is not among ${keyRemainders.join()}`);
        if (shift !== undefined && (q + shift) % keyStep !== k % keyStep) throw new Error(`${q} sees ${k}, shift ${shift}`);
        for (const bound of bounds) if (bound.query * q + bound.key * k + bound.base > 0) throw new Error(`${q} sees ${k} beyond ${JSON.stringify(bound)}`);
      }
      for (let q = 0; q < T; q += every) for (let k = 0; k < S; k++) if (alive[pair(q, k)] || (shift !== undefined && (q + shift) % keyStep === k % keyStep)) {
        if ((!left || left(h, q, k) === 1) !== seen(q, k)) throw new Error(`what is left to ask of ${q} and ${k} says otherwise`);
        if (bounded && bounds.every((bound) => bound.query * q + bound.key * k + bound.base <= 0) !== seen(q, k)) throw new Error(`bounds of ${q} and ${k} say otherwise`);
      }
    }
    for (let q = 0; q < T; q += every) for (let k = 0; k < S; k++) if (covered[q * S + k] !== wanted(h, q, k)) throw new Error(`${q}, ${k} is in ${covered[q * S + k]} parts`);
  }
  return parts;
}

const number = fc.oneof(
  fc.constantFrom(query, key, apart, binary('sub', key, query), binary('add', query, key), binary('add', apart, head)),
  fc.tuple(fc.constantFrom(query, key, apart), fc.integer({ min: -9, max: 9 })).map(([x, by]) => binary('add', x, constant(by))),
  fc.tuple(fc.constantFrom(query, key), fc.integer({ min: 2, max: 3 })).map(([x, by]) => binary('mul', x, constant(by))),
);
const comparison = fc.constantFrom<BinaryOp>('lt', 'le', 'eq', 'ne');
const { mask: masks } = fc.letrec<{ mask: Expression }>((tie) => ({
  mask: fc.oneof({ maxDepth: 3, withCrossShrink: true },
    fc.tuple(comparison, number, fc.integer({ min: 2, max: 20 }), fc.integer({ min: -2, max: 12 }), fc.boolean()).map(([op, x, by, against, reversed]) => { const remainder = binary('mod', x, constant(by)); return reversed ? binary(op, constant(against), remainder) : binary(op, remainder, constant(against)); }),
    fc.tuple(comparison, number, fc.oneof(number, fc.integer({ min: -20, max: 190 }).map(constant))).map(([op, x, y]) => binary(op, x, y)),
    fc.tuple(number, fc.integer({ min: 10, max: 90 })).map(([x, by]) => binary('eq', binary('div', x, constant(by)), binary('div', key, constant(by)))),
    fc.tuple(fc.constantFrom<BinaryOp>('and', 'or'), tie('mask'), tie('mask')).map(([op, x, y]) => binary(op, x, y)),
    tie('mask').map(not),
  ),
}));

describe('the parts of an attention', () => {
  test('cover what the mask lets through, once, as they say', () => {
    let split = 0, apartOnes = 0;
    fc.assert(fc.property(masks, fc.constantFrom([192, 192], [196, 192], [192, 199]), fc.nat(5), (mask, [T, S], heads) => {
      const parts = check(mask, T!, S!, 7, heads + 2);
      if (parts.length > 1) split++;
      if (parts.some(({ keyStep, queryStep }) => keyStep * queryStep > 1)) apartOnes++;
    }), { numRuns: 200 });
    expect(Math.min(split, apartOnes - split)).toBeGreaterThan(3);
  });
  test('of the patterns of the Sparse Transformer: near keys, and far ones by remainders', () => {
    const near = binary('lt', apart, constant(16)), comb = binary('eq', binary('mod', apart, constant(16)), constant(0));
    const strided = check(binary('or', near, comb), 200, 200);
    expect(strided.map(({ queryStep, keyStep, shift, bounded }) => ({ queryStep, keyStep, shift, bounded }))).toEqual([{ queryStep: 1, keyStep: 1, shift: undefined, bounded: true }, { queryStep: 16, keyStep: 16, shift: 0, bounded: true }]);
    const own = binary('eq', binary('div', query, constant(16)), binary('div', key, constant(16))), last = binary('le', constant(14), binary('mod', key, constant(16)));
    const fixed = check(binary('or', own, last), 200, 200);
    expect(fixed.map(({ queryStep, keyStep, keyRemainders }) => ({ queryStep, keyStep, keyRemainders }))).toEqual([{ queryStep: 1, keyStep: 1, keyRemainders: [0, 1] }, { queryStep: 1, keyStep: 16, keyRemainders: [14, 16] }]);
    // what else is asked is asked of both; of the second, the keys' remainder is settled
    const both = check(binary('and', binary('or', own, last), binary('ne', key, constant(31))), 200, 210);
    expect(both.map(({ bounded }) => bounded)).toEqual([false, false]);
    expect(JSON.stringify(both[1]!.rest)).not.toContain('mod');
  });
  test('know which keys a query meets where one remainder alone is asked', () => {
    const comb = binary('eq', binary('mod', binary('sub', binary('add', query, constant(3)), key), constant(8)), constant(0));
    expect(check(comb, 100, 100)[0]).toMatchObject({ shift: 3, bounded: true });
    expect(check(binary('and', comb, binary('eq', binary('mod', query, constant(4)), constant(0))), 100, 100)[0]).toMatchObject({ queryStep: 8, keyStep: 8, shift: undefined });
  });
  test('have no bounds at the ends of i32', () => {
    const [part] = check(binary('and', binary('le', key, constant(2147483647)), binary('lt', apart, constant(9))), 40, 40);
    expect(part).toMatchObject({ bounds: [{ query: 1, key: -1, base: -8 }], bounded: false });
  });
  test('are one where little is to be won', () => {
    expect(check(binary('or', binary('lt', apart, constant(16)), binary('eq', binary('mod', apart, constant(16)), constant(0))), 100, 100)).toHaveLength(1);
    expect(attentionParts(undefined, { T: 500, S: 500 })).toEqual([{ mask: undefined, rest: undefined, queryStep: 1, keyStep: 1, keyRemainders: [0, 1], shift: undefined, bounds: [], bounded: true }]);
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BinaryOp, DType, Expression, UnaryOp } from '@ashlar/tensor';
import type { WebgpuDevice } from '@ashlar/webgpu';
import { webgpu } from './index.js';
import { at, expectClose, load, PlanBuilder } from './test/plans.js';

let device: WebgpuDevice;
beforeAll(async () => { device = await webgpu({ adapter: 'swiftshader', boundsChecks: true, poison: true }); });
afterAll(() => device.close());

const float = Math.fround;
/** erf by its series and, for large arguments, the continued fraction of erfc; to 1e-14. */
function erf(x: number): number {
  const a = Math.abs(x);
  if (Number.isNaN(x)) return NaN;
  if (a > 6) return Math.sign(x);
  if (a < 2.5) { let sum = 0, term = a; for (let n = 0; n < 120; n++) { sum += term / (2 * n + 1); term *= -a * a / (n + 1); } return Math.sign(x) * sum * 2 / Math.sqrt(Math.PI); }
  let fraction = 0;
  for (let k = 120; k > 0; k--) fraction = k / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction));
}
const halfEven = (x: number): number => { const f = Math.floor(x), d = x - f; return d < 0.5 ? f : d > 0.5 ? f + 1 : f % 2 === 0 ? f : f + 1; };

const specials = [0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-4, -1e-4, 1e-20, 3.7, -3.7, 10, -10, 88, 89, 100, -88, -100, 1000, -1000, 1e10, -1e10, 1e30, Infinity, -Infinity, NaN, 0.999, 1.001, 6.2831855];
const dense = Array.from({ length: 256 }, (_, i) => (i - 128) / 16);

interface UnaryCase { op: UnaryOp; f: (x: number) => number; tolerance?: number; inputs?: number[] }
const unaries: UnaryCase[] = [
  { op: 'neg', f: (x) => -x }, { op: 'abs', f: Math.abs }, { op: 'sign', f: Math.sign }, { op: 'exp', f: Math.exp, tolerance: 3e-6 }, { op: 'log', f: Math.log },
  { op: 'sin', f: Math.sin, inputs: [...dense, 100, 1000, -5000, NaN, 0] }, { op: 'cos', f: Math.cos, inputs: [...dense, 100, 1000, -5000, NaN, 0] },
  { op: 'tanh', f: Math.tanh, tolerance: 2e-7 }, { op: 'erf', f: erf, tolerance: 2e-7 }, { op: 'sqrt', f: Math.sqrt }, { op: 'rsqrt', f: (x) => 1 / Math.sqrt(x), inputs: [...specials.filter((x) => x > 0 || Number.isNaN(x)), 4, 0.3] },
  { op: 'reciprocal', f: (x) => 1 / x }, { op: 'floor', f: Math.floor }, { op: 'ceil', f: Math.ceil }, { op: 'round', f: halfEven },
];

/** One kernel with all of `values` through an expression of the loaded element. */
async function evaluate(dtype: DType, values: number[][], result: DType, expression: (...loads: Expression[]) => Expression): Promise<number[]> {
  const builder = new PlanBuilder(), slots = values.map((data) => builder.input(dtype, data)), size = values[0]!.length;
  const out = builder.output(result, size);
  const [data] = await builder.run(device, { kind: 'loop', name: 'one', space: [size], outer: 1, reductions: [], innerStores: [], outerStores: [{ slot: out, index: at([1]), value: expression(...slots.map((slot) => load(slot, at([1])))) }] });
  return data!;
}

describe('unary operations', () => {
  // Four lanes at once where the size is a multiple of 4, one by one where not.
  test.each(unaries.flatMap((one) => [0, 1].map((odd) => ({ ...one, odd }))))('$op of f32, special values and a dense range (odd: $odd)', async ({ op, f, tolerance = 1e-6, inputs = [...specials, ...dense], odd }) => {
    const padded = [...inputs];
    while (padded.length % 4 !== odd) padded.push(0.25);
    const x = padded.map(float), actual = await evaluate('f32', [x], 'f32', (value) => ({ kind: 'unary', op, dtype: 'f32', x: value }));
    expectClose(actual, x.map((value) => float(f(value))), tolerance, op);
  });

  test('relative precision of tanh, erf, sin, log near zero and one', async () => {
    const tiny = [1e-6, 3e-5, 1e-3, 0.02, -4e-4, 0.1, 0.2, 0.3];
    for (const [op, f, shift] of [['tanh', Math.tanh, 0], ['erf', erf, 0], ['sin', Math.sin, 0], ['log', Math.log, 1]] as const) {
      const x = tiny.map((value) => float(value + shift)), actual = await evaluate('f32', [x], 'f32', (value) => ({ kind: 'unary', op, dtype: 'f32', x: value }));
      actual.forEach((value, i) => expect(Math.abs(value / f(x[i]!) - 1), `${op}(${x[i]})`).toBeLessThan(4e-7));
    }
  });

  test('integers and booleans', async () => {
    const i = [0, 1, -1, 5, -7, 2147483647, -2147483648, 12];
    expect(await evaluate('i32', [i], 'i32', (x) => ({ kind: 'unary', op: 'neg', dtype: 'i32', x }))).toEqual(i.map((x) => -x | 0));
    expect(await evaluate('i32', [i], 'i32', (x) => ({ kind: 'unary', op: 'abs', dtype: 'i32', x }))).toEqual(i.map((x) => Math.abs(x) | 0));
    expect(await evaluate('i32', [i], 'i32', (x) => ({ kind: 'unary', op: 'sign', dtype: 'i32', x }))).toEqual(i.map(Math.sign));
    expect(await evaluate('i32', [i], 'i32', (x) => ({ kind: 'unary', op: 'not', dtype: 'i32', x }))).toEqual(i.map((x) => ~x));
    expect(await evaluate('bool', [[0, 1, 1]], 'bool', (x) => ({ kind: 'unary', op: 'not', dtype: 'bool', x }))).toEqual([1, 0, 0]);
    expect(await evaluate('u32', [[1, 4294967295, 7]], 'u32', (x) => ({ kind: 'unary', op: 'neg', dtype: 'u32', x }))).toEqual([4294967295, 1, 4294967289]);
  });
});

const pairs = specials.flatMap((x) => [0, 1, -1, 0.7, 2, -3, 3.5, Infinity, -Infinity, NaN, 1e30].map((y) => [float(x), float(y)] as const));
interface BinaryCase { op: BinaryOp; f: (x: number, y: number) => number; result?: DType; keep?: (x: number, y: number) => boolean; tolerance?: number }
const binaries: BinaryCase[] = [
  { op: 'add', f: (x, y) => x + y }, { op: 'sub', f: (x, y) => x - y }, { op: 'mul', f: (x, y) => x * y }, { op: 'div', f: (x, y) => x / y },
  // The remainder of a quotient beyond 2²⁴ has no bit that f32 could hold.
  { op: 'mod', f: (x, y) => x % y, keep: (x, y) => y !== 0 && !(Math.abs(x / y) > 1e4 && Number.isFinite(x) && Number.isFinite(y)), tolerance: 1e-5 },
  { op: 'pow', f: Math.pow, keep: (x, y) => !(Math.abs(x) === 1 && !Number.isFinite(y)), tolerance: 2e-5 },
  { op: 'max', f: Math.max }, { op: 'min', f: Math.min },
  { op: 'eq', f: (x, y) => +(x === y), result: 'bool' }, { op: 'ne', f: (x, y) => +(x !== y), result: 'bool' }, { op: 'lt', f: (x, y) => +(x < y), result: 'bool' }, { op: 'le', f: (x, y) => +(x <= y), result: 'bool' },
];

describe('binary operations', () => {
  test.each(binaries.flatMap((one) => [0, 1].map((odd) => ({ ...one, odd }))))('$op of f32 at special values (odd: $odd)', async ({ op, f, result = 'f32', keep = () => true, tolerance = 1e-6, odd }) => {
    const kept = pairs.filter(([x, y]) => keep(x, y));
    while (kept.length % 4 !== odd) kept.push([0.5, 0.5]);
    const x = kept.map((pair) => pair[0]), y = kept.map((pair) => pair[1]);
    const actual = await evaluate('f32', [x, y], result, (a, b) => ({ kind: 'binary', op, dtype: result, x: a!, y: b! }));
    const expected = kept.map(([a, b]) => float(f(a, b)));
    // Results below the normal range may be flushed to zero.
    const flush = (value: number): number => (Math.abs(value) < 1.2e-38 ? 0 : value);
    expectClose(actual.map(flush), expected.map(flush), tolerance, op);
  });

  test('integers wrap; shifts, bits and division as in C', async () => {
    const x = [7, -7, 2147483647, -2147483648, 123456, -5, 0, 99], y = [2, 2, 1, 3, 7, -3, 5, 31];
    const int = (op: BinaryOp, dtype: DType = 'i32'): Promise<number[]> => evaluate('i32', [x, y], dtype, (a, b) => ({ kind: 'binary', op, dtype, x: a!, y: b! }));
    expect(await int('add')).toEqual(x.map((a, i) => (a + y[i]!) | 0));
    expect(await int('mul')).toEqual(x.map((a, i) => Math.imul(a, y[i]!)));
    expect(await int('div')).toEqual(x.map((a, i) => Math.trunc(a / y[i]!)));
    expect(await int('mod')).toEqual(x.map((a, i) => (a % y[i]!) + 0));
    expect(await int('xor')).toEqual(x.map((a, i) => a ^ y[i]!));
    expect(await int('shl')).toEqual(x.map((a, i) => a << y[i]!));
    expect(await int('shr')).toEqual(x.map((a, i) => a >> y[i]!));
    expect(await int('lt', 'bool')).toEqual(x.map((a, i) => +(a < y[i]!)));
    const u = [7, 4294967295, 2147483648, 1], v = [3, 2, 31, 5];
    const unsigned = (op: BinaryOp): Promise<number[]> => evaluate('u32', [u, v], 'u32', (a, b) => ({ kind: 'binary', op, dtype: 'u32', x: a!, y: b! }));
    expect(await unsigned('mul')).toEqual(u.map((a, i) => Math.imul(a, v[i]!) >>> 0));
    expect(await unsigned('shr')).toEqual(u.map((a, i) => a >>> v[i]!));
    expect(await unsigned('div')).toEqual(u.map((a, i) => Math.floor(a / v[i]!)));
    const p = [0, 0, 1, 1], q = [0, 1, 0, 1];
    for (const [op, f] of [['and', (a: number, b: number) => a & b], ['or', (a: number, b: number) => a | b], ['xor', (a: number, b: number) => a ^ b]] as const) {
      expect(await evaluate('bool', [p, q], 'bool', (a, b) => ({ kind: 'binary', op, dtype: 'bool', x: a!, y: b! }))).toEqual(p.map((a, i) => f(a, q[i]!)));
    }
  });
});

test('casts truncate toward zero, test for zero, keep bits', async () => {
  const x = [0, -0, 1.9, -1.9, 255.5, -3, 1e-20, NaN].map(float);
  const cast = (from: DType, values: number[], to: DType): Promise<number[]> => evaluate(from, [values], to, (a) => ({ kind: 'cast', dtype: to, x: a! }));
  expect((await cast('f32', x, 'i32')).slice(0, 7)).toEqual([0, 0, 1, -1, 255, -3, 0]);
  expect((await cast('f32', x, 'bool'))).toEqual([0, 0, 1, 1, 1, 1, 1, 1]);
  expect(await cast('i32', [3, -4, 0, 16777217], 'f32')).toEqual([3, -4, 0, 16777216]);
  expect(await cast('bool', [0, 1, 1, 0], 'f32')).toEqual([0, 1, 1, 0]);
  expect(await cast('i32', [-1, 5, 0, 7], 'u32')).toEqual([4294967295, 5, 0, 7]);
  const bits = await evaluate('f32', [[1, -2, 0, 0.5]], 'u32', (a) => ({ kind: 'bitcast', dtype: 'u32', x: a! }));
  expect(bits).toEqual([0x3f800000, 0xc0000000, 0, 0x3f000000]);
});

test('constants that WGSL has no literals for', async () => {
  for (const value of [Infinity, -Infinity, NaN, -0, 3.4028234663852886e38, 1e-45, 0.1]) {
    const [first] = await evaluate('f32', [[1, 2, 3, 4]], 'f32', () => ({ kind: 'constant', dtype: 'f32', value }));
    expect(Object.is(first, float(value)) || Math.abs(first! - value) < 1e-44).toBe(true);
  }
  const [least] = await evaluate('i32', [[1]], 'i32', () => ({ kind: 'constant', dtype: 'i32', value: -2147483648 }));
  expect(least).toBe(-2147483648);
});

test('constant operands that a compiler would refuse to fold', async () => {
  const number = (value: number, dtype: DType = 'f32'): Expression => ({ kind: 'constant', dtype, value });
  const one = async (expression: Expression): Promise<number> => (await evaluate(expression.dtype === 'i32' ? 'i32' : 'f32', [[1]], expression.dtype, () => expression))[0]!;
  expect(await one({ kind: 'binary', op: 'div', dtype: 'f32', x: number(1), y: number(0) })).toBe(Infinity);
  expect(await one({ kind: 'binary', op: 'mul', dtype: 'f32', x: number(1e38), y: number(100) })).toBe(Infinity);
  expect(await one({ kind: 'unary', op: 'exp', dtype: 'f32', x: number(1000) })).toBe(Infinity);
  expect(await one({ kind: 'binary', op: 'shl', dtype: 'i32', x: number(1, 'i32'), y: number(4, 'i32') })).toBe(16);
  expect(Number.isInteger(await one({ kind: 'binary', op: 'div', dtype: 'i32', x: number(7, 'i32'), y: number(0, 'i32') }))).toBe(true);
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { UnaryOp } from '@ashlar/tensor';
import { openDevice } from './device.js';
import type { WasmDevice } from './device.js';
import { affine, binary, input, load, loop, output, plan, runOnce, unary } from './test/hand-made.js';

/** erf in f64: Maclaurin's series near 0, erfc's continued fraction beyond. */
function erf(x: number): number {
  if (Number.isNaN(x)) return NaN;
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 2) {
    let term = x, sum = x;
    for (let n = 1; n < 200; n++) { term *= -x * x / n; sum += term / (2 * n + 1); }
    return 2 / Math.sqrt(Math.PI) * sum;
  }
  let tail = a;
  for (let n = 200; n >= 1; n--) tail = a + n / 2 / tail;
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / tail);
}

function roundEven(x: number): number {
  if (!Number.isFinite(x) || Number.isInteger(x)) return x;
  const low = Math.floor(x), rest = x - low;
  const even = low % 2 === 0 ? low : low + 1;
  const value = rest < 0.5 ? low : rest > 0.5 ? low + 1 : even;
  return value === 0 && (x < 0 || Object.is(x, -0)) ? -0 : value;
}

const functions: Partial<Record<UnaryOp, (x: number) => number>> = {
  neg: (x) => -x, abs: Math.abs, sign: Math.sign, exp: Math.exp, log: Math.log, sin: Math.sin, cos: Math.cos, tanh: Math.tanh, erf,
  sqrt: Math.sqrt, rsqrt: (x) => 1 / Math.sqrt(x), reciprocal: (x) => 1 / x, floor: Math.floor, ceil: Math.ceil, round: roundEven,
};

const special = [0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-45, -1e-45, 1e-40, 1.1754944e-38, 3.4028235e38, -3.4028235e38, 88.72, 88.73, 89, -87.33, -87.4, -95, -103.9, -104, 1e5, -1e5, 12345.678, Math.PI, Math.PI / 2, 8388607.5, 8388609, 16777217, Infinity, -Infinity, NaN];

/** Every exponent and sign with a few mantissas, and finer steps where functions bend. */
function points(): Float32Array {
  const bits: number[] = [];
  for (let exponent = 0; exponent < 255; exponent++) for (const mantissa of [0, 1, 0x2aaaab, 0x3504f3, 0x400000, 0x5a827a, 0x7fffff]) for (const sign of [0, 1]) bits.push((sign << 31 | exponent << 23 | mantissa) >>> 0);
  const dense = Float32Array.from({ length: 20001 }, (_, i) => (i - 10000) * 0.0113);
  const wide = Float32Array.from({ length: 5001 }, (_, i) => (i - 2500) * 39.97);
  return Float32Array.from([...special, ...new Float32Array(Uint32Array.from(bits).buffer), ...dense, ...wide]);
}

const ulp = (x: number): number => 2 ** Math.max(-149, Math.floor(Math.log2(Math.abs(x))) - 23);

/** Whether a result is within two units in the last place, or 1e-6 of the value. */
function good(got: number, exact: number): boolean {
  const expected = Math.fround(exact);
  if (Number.isNaN(expected)) return Number.isNaN(got);
  if (!Number.isFinite(expected) || expected === 0) return got === expected || Math.abs(got - exact) <= 2 ** -148 || (Math.abs(exact) > 3.4028e38 && Math.abs(got) > 3.4028e38 && Math.sign(got) === Math.sign(exact));
  return Math.abs(got - exact) <= Math.max(2 * ulp(exact), 1e-6 * Math.abs(exact));
}

describe.each([false, true])('relaxed SIMD %s', (relaxedSimd) => {
  let device: WasmDevice;
  beforeAll(async () => { device = await openDevice({ threads: 1, relaxedSimd, poison: true, divide: true }); });
  afterAll(() => device.close());

  test.each(Object.keys(functions) as UnaryOp[])('%s', async (name) => {
    const f = functions[name]!, limited = name === 'sin' || name === 'cos';
    const x = points().filter((v) => !limited || !Number.isFinite(v) || Math.abs(v) <= 2e5);
    const from = input(0, 'f32', x.length), to = output(0, 'f32', x.length);
    const kernel = loop([x.length], 1, { outerStores: [{ slot: to, index: affine(0, 1), value: unary(name, load(from, affine(0, 1))) }] });
    const [got] = await runOnce(device, plan([kernel], { inputs: [from], outputs: [to] }), [x]);
    const wrong = [...x.keys()].filter((i) => !good(got![i]!, f(x[i]!)) && !(limited && Math.abs(got![i]! - f(x[i]!)) < 1e-7));
    expect(wrong.slice(0, 5).map((i) => `${name}(${x[i]}) = ${got![i]}, not ${f(x[i]!)}`)).toEqual([]);
  });

  test('sine and cosine of large arguments stay within 1e-6 up to 1e9', async () => {
    const x = Float32Array.from({ length: 4000 }, (_, i) => 1e6 * 1.0017 ** i).filter((v) => v < 1e9);
    const from = input(0, 'f32', x.length), to = output(0, 'f32', x.length);
    const kernel = loop([x.length], 1, { outerStores: [{ slot: to, index: affine(0, 1), value: unary('sin', load(from, affine(0, 1))) }] });
    const [got] = await runOnce(device, plan([kernel], { inputs: [from], outputs: [to] }), [x]);
    for (let i = 0; i < x.length; i++) expect(Math.abs(got![i]! - Math.sin(x[i]!))).toBeLessThan(1e-6);
  });

  const pairs = (): { x: Float32Array; y: Float32Array } => {
    const some = [...special, 2, 3, -3, 0.1, 7.25, -7.25, 100, 1e-20, 1e20, 0.999, 1.0001];
    return { x: Float32Array.from(some.flatMap((a) => some.map(() => a))), y: Float32Array.from(some.flatMap(() => some)) };
  };
  test.each([
    ['pow', (a: number, b: number) => Math.pow(a, b)], ['mod', (a: number, b: number) => a % b],
    ['add', (a: number, b: number) => a + b], ['sub', (a: number, b: number) => a - b], ['mul', (a: number, b: number) => a * b], ['div', (a: number, b: number) => a / b],
    ['max', Math.max], ['min', Math.min],
  ] as const)('%s of floats', async (name, f) => {
    const { x, y } = pairs(), n = x.length;
    const [a, b] = [input(0, 'f32', n), input(1, 'f32', n)], to = output(0, 'f32', n);
    const kernel = loop([n], 1, { outerStores: [{ slot: to, index: affine(0, 1), value: binary(name, load(a, affine(0, 1)), load(b, affine(0, 1))) }] });
    const [got] = await runOnce(device, plan([kernel], { inputs: [a, b], outputs: [to] }), [x, y]);
    const wrong = [...x.keys()].filter((i) => !good(got![i]!, f(x[i]!, y[i]!)));
    expect(wrong.slice(0, 5).map((i) => `${name}(${x[i]}, ${y[i]}) = ${got![i]}, not ${f(x[i]!, y[i]!)}`)).toEqual([]);
  });

  const whole = [0, 1, -1, 2, 3, 7, -7, 31, 100, -100, 65537, 2147483647, -2147483648, 1103515245];
  test.each([
    ['add', (a: number, b: number) => a + b], ['sub', (a: number, b: number) => a - b], ['mul', Math.imul],
    ['div', (a: number, b: number) => (b === 0 ? 0 : Math.trunc(a / b))], ['mod', (a: number, b: number) => (b === 0 ? 0 : a % b)],
    ['max', Math.max], ['min', Math.min], ['and', (a: number, b: number) => a & b], ['or', (a: number, b: number) => a | b], ['xor', (a: number, b: number) => a ^ b],
    ['shl', (a: number, b: number) => a << b], ['shr', undefined], ['lt', (a: number, b: number) => Number(a < b)], ['le', (a: number, b: number) => Number(a <= b)],
    ['eq', (a: number, b: number) => Number(a === b)], ['ne', (a: number, b: number) => Number(a !== b)],
  ] as const)('%s of integers', async (name, given) => {
    for (const dtype of ['i32', 'u32'] as const) {
      const f = given ?? (dtype === 'i32' ? (a: number, b: number) => a >> b : (a: number, b: number) => a >>> b);
      const Class = dtype === 'i32' ? Int32Array : Uint32Array;
      const x = Class.from(whole.flatMap((a) => whole.map(() => a))), y = Class.from(whole.flatMap(() => whole)), n = x.length;
      const compare = ['lt', 'le', 'eq', 'ne'].includes(name);
      const [a, b] = [input(0, dtype, n), input(1, dtype, n)], to = output(0, compare ? 'bool' : dtype, n);
      const kernel = loop([n], 1, { outerStores: [{ slot: to, index: affine(0, 1), value: binary(name, load(a, affine(0, 1)), load(b, affine(0, 1))) }] });
      const [got] = await runOnce(device, plan([kernel], { inputs: [a, b], outputs: [to] }), [x, y]);
      expect([...got!]).toEqual([...(compare ? Uint32Array : Class).from(Array.from(x, (v, i) => f(v, y[i]!)))]);
    }
  });

  test.each(['div', 'mod'] as const)('%s of integers by constants', async (name) => {
    for (const dtype of ['i32', 'u32'] as const) for (const by of [1, 2, 3, 7, 10, 128, 1000003, 2 ** 30, 2147483647]) {
      const x = (dtype === 'i32' ? Int32Array : Uint32Array).from([...whole, 12, -12, 128, -128, 127, -129, 1000002, 2000006, -2000006, 2147483646, -2147483647]), n = x.length;
      const from = input(0, dtype, n), to = output(0, dtype, n), value = binary(name, load(from, affine(0, 1)), { kind: 'constant', dtype, value: by });
      const [got] = await runOnce(device, plan([loop([n], 1, { outerStores: [{ slot: to, index: affine(0, 1), value }] })], { inputs: [from], outputs: [to] }), [x]);
      expect([...got!], `${dtype} ${by}`).toEqual(Array.from(x, (v) => (name === 'div' ? Math.trunc(v / by) : v % by) + 0));
    }
  });

  test('shifts by a constant', async () => {
    const x = Uint32Array.from([1, 0x80000000, 0xdeadbeef, 7]), from = input(0, 'u32', 4), to = output(0, 'u32', 4);
    const rotated = binary('or', binary('shl', load(from, affine(0, 1)), { kind: 'constant', dtype: 'u32', value: 13 }), binary('shr', load(from, affine(0, 1)), { kind: 'constant', dtype: 'u32', value: 19 }));
    const [got] = await runOnce(device, plan([loop([4], 1, { outerStores: [{ slot: to, index: affine(0, 1), value: rotated }] })], { inputs: [from], outputs: [to] }), [x]);
    expect([...got!]).toEqual(Array.from(x, (v) => ((v << 13) | (v >>> 19)) >>> 0));
  });
});

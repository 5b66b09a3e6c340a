import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DotKernel, DType, Expression, View } from '@ashlar/tensor';
import { openDevice } from './device.js';
import type { WasmDevice } from './device.js';
import { affine, binary, constant, data, distance, input, load, output, plan, runOnce, unary, variants } from './test/hand-made.js';

const accumulator: Expression = { kind: 'accumulator', dtype: 'f32' };

interface Layout { readonly a: 'rows' | 'columns'; readonly b: 'rows' | 'columns'; readonly out: 'rows' | 'columns' }
const layouts: Layout[] = (['rows', 'columns'] as const).flatMap((a) => (['rows', 'columns'] as const).flatMap((b) => (['rows', 'columns'] as const).map((out) => ({ a, b, out }))));

/** The view of a matrix stored by rows or by columns. */
const matrix = (slot: View['slot'], rows: number, columns: number, order: 'rows' | 'columns', offset = 0): View =>
  ({ slot, offset, shape: [rows, columns], strides: order === 'rows' ? [columns, 1] : [1, rows] });

function product(a: Float64Array, av: View, b: Float64Array, bv: View, m: number, n: number, k: number): Float64Array {
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) {
    let sum = 0;
    for (let l = 0; l < k; l++) sum += a[av.offset + i * av.strides[0]! + l * av.strides[1]!]! * b[bv.offset + l * bv.strides[0]! + j * bv.strides[1]!]!;
    out[i * n + j] = sum;
  }
  return out;
}

describe.each(variants)('threads $threads, relaxed SIMD $relaxedSimd', (options) => {
  let device: WasmDevice;
  beforeAll(async () => { device = await openDevice({ ...options, poison: true, divide: true }); });
  afterAll(() => device.close());

  async function check(m: number, n: number, k: number, layout: Layout, dtypes: { a?: DType; b?: DType; out?: DType } = {}, offset = 0): Promise<void> {
    const { a: da = 'f32', b: db = 'f32', out: dc = 'f32' } = dtypes;
    const x = data(da, m * k + offset, m + 1), y = data(db, k * n + offset, n + 2);
    const a = input(0, da, m * k + offset), b = input(1, db, k * n + offset), c = output(0, dc, m * n);
    const av = matrix(a, m, k, layout.a, offset), bv = matrix(b, k, n, layout.b, offset);
    const kernel: DotKernel = { kind: 'dot', name: 'dot', batch: [], m, n, k, a: av, b: bv, stores: [{ slot: c, index: layout.out === 'rows' ? affine(0, n, 1) : affine(0, 1, m), value: accumulator }] };
    const [got] = await runOnce(device, plan([kernel], { inputs: [a, b], outputs: [c] }), [x.host, y.host]);
    const expected = product(x.numbers, av, y.numbers, bv, m, n, k);
    const placed = layout.out === 'rows' ? expected : Float64Array.from(expected, (_, p) => expected[(p % m) * n + Math.floor(p / m)]!);
    const error = distance(got!, placed);
    expect(`${m}×${k}·${k}×${n} ${JSON.stringify({ ...layout, ...dtypes })}: ${error <= (dc === 'f16' ? 2e-3 : 3e-6 * Math.sqrt(k + 1)) ? 'close' : error}`).toMatch(/close$/);
  }

  test('all layouts at odd shapes', async () => {
    for (const [m, n, k] of [[1, 1, 1], [4, 8, 3], [5, 9, 7], [17, 31, 65], [64, 63, 64], [66, 130, 33]] as const) for (const layout of layouts) await check(m, n, k, layout);
  });
  test('no terms, no rows, no columns', async () => {
    for (const [m, n, k] of [[5, 6, 0], [1, 9, 0], [0, 5, 3], [5, 0, 3]] as const) await check(m, n, k, layouts[0]!);
  });
  test('few rows or columns', async () => {
    for (const rows of [1, 2, 3, 5, 8, 9]) for (const [n, k] of [[5, 4], [33, 65], [130, 128], [1030, 31]] as const) for (const layout of layouts) {
      await check(rows, n, k, layout);
      await check(n, rows, k, layout);
    }
  });
  test('a few more rows', async () => {
    for (const m of [4, 7, 15]) for (const n of [8, 70, 200]) await check(m, n, 300, { a: 'rows', b: 'rows', out: 'rows' });
  });
  test('long sums, packed in stretches', async () => {
    await check(9, 20, 2500, layouts[0]!);
    await check(40, 70, 1025, layouts[3]!);
    await check(130, 600, 1030, layouts[1]!);
  });
  test('halves in, halves out', async () => {
    for (const layout of layouts) {
      await check(37, 29, 41, layout, { a: 'f16', b: 'f16', out: 'f16' });
      await check(2, 67, 41, layout, { b: 'f16' });
      await check(19, 16, 9, layout, { a: 'f16' });
    }
  });
  test('views with an offset', async () => { await check(12, 24, 20, layouts[0]!, {}, 5); });

  test('strided operands of which no axis is contiguous', async () => {
    const [m, n, k] = [21, 18, 13], x = data('f32', m * k * 6, 3), y = data('f32', n * k * 6, 4);
    const a = input(0, 'f32', m * k * 6), b = input(1, 'f32', n * k * 6), c = output(0, 'f32', m * n);
    const av: View = { slot: a, offset: 1, shape: [m, k], strides: [k * 6, 3] }, bv: View = { slot: b, offset: 2 * n * (k - 1) + 1, shape: [k, n], strides: [-2 * n, 2] };
    const kernel: DotKernel = { kind: 'dot', name: 'dot', batch: [], m, n, k, a: av, b: bv, stores: [{ slot: c, index: affine(0, n, 1), value: accumulator }] };
    const [got] = await runOnce(device, plan([kernel], { inputs: [a, b], outputs: [c] }), [x.host, y.host]);
    expect(distance(got!, product(x.numbers, av, y.numbers, bv, m, n, k))).toBeLessThan(1e-5);
  });

  test('batches: own operands, a shared right one, a broadcast left one', async () => {
    const [B, H, m, n, k] = [3, 5, 6, 10, 7];
    for (const shared of ['none', 'right', 'left'] as const) {
      const x = data('f32', (shared === 'left' ? H : B * H) * m * k, 5), y = data('f32', (shared === 'right' ? 1 : B * H) * k * n, 6);
      const a = input(0, 'f32', x.host.length), b = input(1, 'f32', y.host.length), c = output(0, 'f32', B * H * m * n);
      const av: View = { slot: a, offset: 0, shape: [B, H, m, k], strides: shared === 'left' ? [0, m * k, k, 1] : [H * m * k, m * k, k, 1] };
      const bv: View = { slot: b, offset: 0, shape: [B, H, k, n], strides: shared === 'right' ? [0, 0, n, 1] : [H * k * n, k * n, n, 1] };
      // results as [B, m, H, n]
      const kernel: DotKernel = { kind: 'dot', name: 'dot', batch: [B, H], m, n, k, a: av, b: bv, stores: [{ slot: c, index: affine(0, m * H * n, n, H * n, 1), value: accumulator }] };
      const [got] = await runOnce(device, plan([kernel], { inputs: [a, b], outputs: [c] }), [x.host, y.host]);
      const expected = new Float64Array(B * H * m * n);
      for (let p = 0; p < B; p++) for (let h = 0; h < H; h++) {
        const one = product(x.numbers, { ...av, offset: p * av.strides[0]! + h * av.strides[1]!, strides: [k, 1] }, y.numbers, { ...bv, offset: p * bv.strides[0]! + h * bv.strides[1]!, strides: [n, 1] }, m, n, k);
        one.forEach((v, i) => { expected[((p * m + Math.floor(i / n)) * H + h) * n + (i % n)] = v; });
      }
      expect(distance(got!, expected)).toBeLessThan(5e-6);
    }
  });

  test('one row a batch over a shared matrix (decoding)', async () => {
    const [B, n, k] = [6, 50, 33], x = data('f32', B * k, 7), y = data('f32', n * k, 8), a = input(0, 'f32', B * k), b = input(1, 'f32', n * k), c = output(0, 'f32', B * n);
    const kernel: DotKernel = { kind: 'dot', name: 'dot', batch: [B], m: 1, n, k, a: { slot: a, offset: 0, shape: [B, 1, k], strides: [k, k, 1] }, b: { slot: b, offset: 0, shape: [B, k, n], strides: [0, 1, k] }, stores: [{ slot: c, index: affine(0, n, n, 1), value: accumulator }] };
    const [got] = await runOnce(device, plan([kernel], { inputs: [a, b], outputs: [c] }), [x.host, y.host]);
    expect(distance(got!, product(x.numbers, matrix(a, B, k, 'rows'), y.numbers, matrix(b, k, n, 'columns'), B, n, k))).toBeLessThan(5e-6);
  });

  test('stores with expressions: bias by row and column, residual, two results, at edges', async () => {
    for (const [m, n, k] of [[1, 33, 12], [3, 5, 8], [8, 16, 8], [67, 131, 20]] as const) {
      const x = data('f32', m * k, 9), y = data('f32', k * n, 10), bias = data('f32', n, 11), tall = data('f32', m, 12), rest = data('f32', m * n, 13);
      const [a, b, v, w, r] = [input(0, 'f32', m * k), input(1, 'f32', k * n), input(2, 'f32', n), input(3, 'f32', m), input(4, 'f32', m * n)], [c, d] = [output(0, 'f32', m * n), output(1, 'f16', m * n)];
      const sum = binary('add', binary('add', accumulator, load(v, affine(0, 0, 1))), load(w, affine(0, 1, 0)));
      const kernel: DotKernel = { kind: 'dot', name: 'dot', batch: [], m, n, k, a: matrix(a, m, k, 'rows'), b: matrix(b, k, n, 'rows'), stores: [
        { slot: c, index: affine(0, n, 1), value: binary('add', unary('tanh', sum), load(r, affine(0, n, 1))) },
        { slot: d, index: affine(0, 1, m), value: binary('mul', sum, constant(0.5)) },
      ] };
      const [first, second] = await runOnce(device, plan([kernel], { inputs: [a, b, v, w, r], outputs: [c, d] }), [x.host, y.host, bias.host, tall.host, rest.host]);
      const sums = product(x.numbers, matrix(a, m, k, 'rows'), y.numbers, matrix(b, k, n, 'rows'), m, n, k).map((value, p) => value + bias.numbers[p % n]! + tall.numbers[Math.floor(p / n)]!);
      expect(distance(first!, sums.map((value, p) => Math.tanh(value) + rest.numbers[p]!))).toBeLessThan(1e-5);
      expect(distance(second!, Float64Array.from(sums, (_, p) => 0.5 * sums[(p % m) * n + Math.floor(p / m)]!))).toBeLessThan(2e-3);
    }
  });

  test('not-a-numbers beyond an operand do not leak into the result', async () => {
    const [m, n, k] = [5, 11, 6], x = new Float32Array(m * k + 32).fill(NaN), y = new Float32Array(k * n + 32).fill(NaN);
    x.set(data('f32', m * k, 14).host as Float32Array, 16);
    y.set(data('f32', k * n, 15).host as Float32Array, 16);
    for (const layout of layouts.filter(({ out }) => out === 'rows')) {
      const a = input(0, 'f32', x.length), b = input(1, 'f32', y.length), c = output(0, 'f32', m * n), av = matrix(a, m, k, layout.a, 16), bv = matrix(b, k, n, layout.b, 16);
      for (const rows of [m, 2, 1]) {
        const part: DotKernel = { kind: 'dot', name: 'dot', batch: [], m: rows, n, k, a: { ...av, shape: [rows, k] }, b: bv, stores: [{ slot: c, index: affine(0, n, 1), value: accumulator }] };
        const [got] = await runOnce(device, plan([part], { inputs: [a, b], outputs: [c] }), [x, y]);
        expect(distance(got!.subarray(0, rows * n), product(Float64Array.from(x), av, Float64Array.from(y), bv, rows, n, k))).toBeLessThan(5e-6);
      }
    }
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ScatterKernel } from '@ashlar/tensor';
import { openDevice } from './device.js';
import type { WasmDevice } from './device.js';
import { data, distance, input, numbers, output, plan, runOnce, variants, view } from './test/hand-made.js';

describe.each(variants)('threads $threads, relaxed SIMD $relaxedSimd', (options) => {
  let device: WasmDevice;
  beforeAll(async () => { device = await openDevice({ ...options, poison: true, divide: true }); });
  afterAll(() => device.close());

  test('rows are summed in order; indices outside are skipped; rows without updates are 0', async () => {
    for (const [rows, columns, count] of [[1, 1, 1], [5, 3, 9], [7, 4, 0], [11, 130, 64], [65, 128, 768], [0, 4, 3], [4, 0, 3]] as const) for (const dtype of ['f32', 'f16'] as const) {
      const ids = Int32Array.from(numbers(count, count + rows, rows), Math.floor); // about half are negative
      const updates = data(dtype, count * columns, rows + 1), [i, u] = [input(0, 'i32', count), input(1, dtype, count * columns)], out = output(0, dtype, rows * columns);
      const kernel: ScatterKernel = { kind: 'scatter', name: 'scatter', rows, columns, count, indices: view(i, [count]), updates: view(u, [count, columns]), out };
      const [got] = await runOnce(device, plan([kernel], { inputs: [i, u], outputs: [out] }), [ids, updates.host]);
      const expected = new Float64Array(rows * columns);
      ids.forEach((row, n) => { if (row >= 0 && row < rows) for (let c = 0; c < columns; c++) expected[row * columns + c]! += updates.numbers[n * columns + c]!; });
      expect(distance(got!, expected)).toBeLessThan(dtype === 'f16' ? 1e-3 : 2e-6);
    }
  });

  test('more rows of halves than are summed at once', async () => {
    const [rows, columns, count] = [200_001, 2, 500], ids = Int32Array.from({ length: count }, (_, n) => (n * 7919 * 31) % rows), updates = data('f16', count * columns, 9);
    const [i, u] = [input(0, 'i32', count), input(1, 'f16', count * columns)], out = output(0, 'f16', rows * columns);
    const kernel: ScatterKernel = { kind: 'scatter', name: 'scatter', rows, columns, count, indices: view(i, [count]), updates: view(u, [count, columns]), out };
    const [got] = await runOnce(device, plan([kernel], { inputs: [i, u], outputs: [out] }), [ids, updates.host]);
    const expected = new Float64Array(rows * columns);
    ids.forEach((row, n) => { for (let c = 0; c < columns; c++) expected[row * columns + c]! += updates.numbers[n * columns + c]!; });
    expect(distance(got!, expected)).toBeLessThan(1e-3);
  });

  test('strided updates and u32 indices', async () => {
    const [rows, columns, count] = [6, 9, 40], x = data('f32', columns * count, 3), ids = Uint32Array.from({ length: count }, (_, n) => (n % 9 === 0 ? 0xffffffff : n % rows));
    const [i, u] = [input(0, 'u32', count), input(1, 'f32', columns * count)], out = output(0, 'f32', rows * columns);
    const kernel: ScatterKernel = { kind: 'scatter', name: 'scatter', rows, columns, count, indices: { ...view(i, [count]), offset: count - 1, strides: [-1] }, updates: { slot: u, offset: 0, shape: [count, columns], strides: [1, count] }, out };
    const [got] = await runOnce(device, plan([kernel], { inputs: [i, u], outputs: [out] }), [ids, x.host]);
    const expected = new Float64Array(rows * columns);
    for (let n = 0; n < count; n++) for (let c = 0; c < columns; c++) { const row = ids[count - 1 - n]!; if (row < rows) expected[row * columns + c]! += x.numbers[c * count + n]!; }
    expect(distance(got!, expected)).toBeLessThan(2e-6);
  });

  test('integers', async () => {
    const ids = Int32Array.of(1, 1, 0, 1), values = Int32Array.of(2 ** 31 - 1, 1, 5, 7), [i, u] = [input(0, 'i32', 4), input(1, 'i32', 4)], out = output(0, 'i32', 2);
    const kernel: ScatterKernel = { kind: 'scatter', name: 'scatter', rows: 2, columns: 1, count: 4, indices: view(i, [4]), updates: view(u, [4, 1]), out };
    const [got] = await runOnce(device, plan([kernel], { inputs: [i, u], outputs: [out] }), [ids, values]);
    expect([...got!]).toEqual([5, (2 ** 31 + 7) | 0]);
  });
});

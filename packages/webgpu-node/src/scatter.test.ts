import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ScatterKernel } from '@ashlar/tensor';
import type { WebgpuDevice } from '@ashlar/webgpu';
import { webgpu } from './index.js';
import { expectClose, PlanBuilder, randoms } from './test/plans.js';

describe.each(['cpu', 'gpu'] as const)('scatter-add for the %s class', (adapterClass) => {
  let device: WebgpuDevice;
  beforeAll(async () => { device = await webgpu({ adapter: 'swiftshader', adapterClass, boundsChecks: true, poison: true }); });
  afterAll(() => device.close());

  test.each([
    { rows: 5, columns: 8, count: 20 }, { rows: 65, columns: 33, count: 100 }, { rows: 1, columns: 4, count: 9 }, { rows: 4, columns: 4, count: 0 },
    { rows: 300, columns: 3, count: 7 }, { rows: 7, columns: 12, count: 65, turned: true }, { rows: 0, columns: 4, count: 3 },
  ])('$rows rows, $columns columns, $count updates', async ({ rows, columns, count, turned = false }) => {
    const builder = new PlanBuilder();
    // Some indices lie outside and are skipped; many repeat.
    const picks = randoms(count, 5).map((x) => Math.floor((x + 1) / 2 * (rows + 2)) - 1), updates = randoms(count * columns, 6).map(Math.fround);
    const kernel: ScatterKernel = {
      kind: 'scatter', name: 'scatter', rows, columns, count,
      indices: { slot: builder.input('i32', picks), offset: 0, shape: [count], strides: [1] },
      updates: { slot: builder.input('f32', updates), offset: 0, shape: [count, columns], strides: turned ? [1, count] : [columns, 1] },
      out: builder.output('f32', rows * columns),
    };
    const expected = new Float64Array(rows * columns);
    picks.forEach((row, n) => { if (row >= 0 && row < rows) for (let c = 0; c < columns; c++) expected[row * columns + c]! += updates[turned ? c * count + n : n * columns + c]!; });
    const [first] = await builder.run(device, kernel), [second] = await builder.run(device, kernel);
    expectClose(first!, expected, 1e-6);
    expect(second).toEqual(first);
  });

  test('unsigned indices', async () => {
    const builder = new PlanBuilder();
    const kernel: ScatterKernel = {
      kind: 'scatter', name: 'scatter', rows: 3, columns: 1, count: 4,
      indices: { slot: builder.input('u32', [2, 4294967295, 2, 0]), offset: 0, shape: [4], strides: [1] },
      updates: { slot: builder.input('f32', [1, 2, 3, 4]), offset: 0, shape: [4, 1], strides: [1, 1] }, out: builder.output('f32', 3),
    };
    expect(await builder.run(device, kernel)).toEqual([[4, 0, 4]]);
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DType, DotKernel, Expression, View } from '@ashlar/tensor';
import type { WebgpuDevice } from '@ashlar/webgpu';
import { webgpu } from './index.js';
import { at, expectClose, load, PlanBuilder, randoms, strides } from './test/plans.js';

const accumulator: Expression = { kind: 'accumulator', dtype: 'f32' };

interface Case { m: number; n: number; k: number; batch?: number[]; a?: 'row' | 'column' | 'odd'; b?: 'row' | 'column' | 'odd'; repeatB?: boolean; dtype?: DType }

/** A matrix stored row by row, column by column, or with a stride and an offset that no vector load fits. */
function layout(batch: readonly number[], rows: number, columns: number, kind: 'row' | 'column' | 'odd'): { size: number; offset: number; strides: number[] } {
  const rowLength = kind === 'odd' ? columns + 3 : columns;
  const one = kind === 'column' ? rows * columns : rows * rowLength;
  const batchStrides = strides([...batch, one]).slice(0, -1);
  return {
    size: batch.reduce((x, y) => x * y, 1) * one + (kind === 'odd' ? 1 : 0), offset: kind === 'odd' ? 1 : 0,
    strides: [...batchStrides, ...(kind === 'column' ? [1, rows] : [rowLength, 1])],
  };
}

// Every pair of layouts where all sizes are multiples of four and where none is; a few at other sizes.
const layouts = ['row', 'column', 'odd'] as const;
const everyLayout: Case[] = [{ m: 33, n: 65, k: 17 }, { m: 20, n: 36, k: 64, batch: [2, 3] }];
const cases: Case[] = [
  ...everyLayout.flatMap((shape) => layouts.flatMap((a) => layouts.map((b) => ({ ...shape, a, b })))),
  { m: 1, n: 1, k: 1 }, { m: 7, n: 5, k: 3, a: 'column' }, { m: 64, n: 64, k: 64, b: 'column' }, { m: 63, n: 65, k: 31, batch: [3], a: 'column' }, { m: 5, n: 36, k: 8, b: 'column' },
  { m: 2, n: 12, k: 12, a: 'column', b: 'column' }, { m: 3, n: 4, k: 0 }, { m: 40, n: 44, k: 36, a: 'column' }, { m: 9, n: 8, k: 16, batch: [4], repeatB: true }, { m: 0, n: 4, k: 4 },
  { m: 1, n: 64, k: 128 }, { m: 1, n: 96, k: 64, b: 'column' },
];

describe.each(['cpu', 'gpu'] as const)('dot kernels for the %s class', (adapterClass) => {
  let device: WebgpuDevice;
  beforeAll(async () => { device = await webgpu({ adapter: 'swiftshader', adapterClass, boundsChecks: true, poison: true }); });
  afterAll(() => device.close());

  test('every layout and odd size, with a plain store and an epilogue', async () => {
    for (const one of cases) {
      const { m, n, k, batch = [], a = 'row', b = 'row', repeatB = false } = one;
      const batches = batch.reduce((x, y) => x * y, 1);
      const la = layout(batch, m, k, a), lb = layout(repeatB ? [] : batch, k, n, b);
      const builder = new PlanBuilder();
      const x = randoms(la.size, 3), y = randoms(lb.size, 4), bias = randoms(n, 5);
      const slots = { x: builder.input('f32', x), y: builder.input('f32', y), bias: builder.input('f32', bias) };
      const out = builder.output('f32', batches * m * n), relu = builder.output('f32', batches * n * m);
      const bStrides = repeatB ? [...batch.map(() => 0), ...lb.strides] : lb.strides;
      const viewA: View = { slot: slots.x, offset: la.offset, shape: [...batch, m, k], strides: la.strides };
      const viewB: View = { slot: slots.y, offset: lb.offset, shape: [...batch, k, n], strides: bStrides };
      const space = [...batch, m, n], axis = batch.length;
      // The second store is transposed and adds a bias to the positive part.
      const transposed = strides([...batch, n, m]);
      const transposedIndex = at([...transposed.slice(0, axis), transposed[axis + 1]!, transposed[axis]!]);
      const biasIndex = at([...batch.map(() => 0), 0, 1]);
      const kernel: DotKernel = {
        kind: 'dot', name: 'product', batch, m, n, k, a: viewA, b: viewB,
        stores: [
          { slot: out, index: at(strides(space)), value: accumulator },
          { slot: relu, index: transposedIndex, value: { kind: 'binary', op: 'add', dtype: 'f32', x: { kind: 'binary', op: 'max', dtype: 'f32', x: accumulator, y: { kind: 'constant', dtype: 'f32', value: 0 } }, y: load(slots.bias, biasIndex) } },
        ],
      };
      const [plain, epilogue] = await builder.run(device, kernel);
      const expected = new Float64Array(batches * m * n), expectedRelu = new Float64Array(batches * m * n);
      for (let z = 0; z < batches; z++) {
        let rest = z, startA = la.offset, startB = lb.offset;
        for (let d = axis - 1; d >= 0; d--) { const i = rest % batch[d]!; rest = Math.floor(rest / batch[d]!); startA += i * la.strides[d]!; startB += i * bStrides[d]!; }
        for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let p = 0; p < k; p++) sum += Math.fround(x[startA + i * la.strides.at(-2)! + p * la.strides.at(-1)!]!) * Math.fround(y[startB + p * bStrides.at(-2)! + j * bStrides.at(-1)!]!);
          expected[(z * m + i) * n + j] = sum;
          expectedRelu[(z * n + j) * m + i] = Math.max(sum, 0) + Math.fround(bias[j]!);
        }
      }
      expectClose(plain!, expected, 1e-5, JSON.stringify(one));
      expectClose(epilogue!, expectedRelu, 1e-5, `${JSON.stringify(one)} epilogue`);
    }
  }, 240_000);

  test('operands and an in-place addition in one buffer', async () => {
    const builder = new PlanBuilder();
    const x = randoms(24 * 24, 7), input = builder.input('f32', x), work = builder.work('f32', 24 * 24), out = builder.output('f32', 24 * 24);
    const copy = (from: typeof input, to: typeof input): Parameters<PlanBuilder['plan']>[0] => ({ kind: 'loop', name: 'copy', space: [576], outer: 1, reductions: [], innerStores: [], outerStores: [{ slot: to, index: at([1]), value: load(from, at([1])) }] });
    const other = builder.work('f32', 24 * 24);
    const view = (slot: typeof work): View => ({ slot, offset: 0, shape: [24, 24], strides: [24, 1] });
    const kernel: DotKernel = {
      kind: 'dot', name: 'square', batch: [], m: 24, n: 24, k: 24, a: view(work), b: { ...view(work), strides: [1, 24] },
      stores: [{ slot: other, index: at([24, 1]), value: { kind: 'binary', op: 'add', dtype: 'f32', x: accumulator, y: load(other, at([24, 1])) } }],
    };
    const [result] = await builder.run(device, copy(input, work), copy(input, other), kernel, copy(other, out));
    const expected = Array.from({ length: 576 }, (_, e) => {
      const i = Math.floor(e / 24), j = e % 24;
      let sum = x[e]!;
      for (let p = 0; p < 24; p++) sum += x[i * 24 + p]! * x[j * 24 + p]!;
      return sum;
    });
    expectClose(result!, expected, 1e-5);
    expect(device.counters.pipelines).toBeGreaterThan(0);
  });
});

/** 16-bit floats, on the first adapter here that has them. SwiftShader has none; lavapipe and most GPUs do. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fromHalf, toHalf, type DotKernel, type LoopKernel } from '@ashlar/tensor';
import { describeAdapter, type WebgpuDevice } from '@ashlar/webgpu';
import { findAdapter, webgpu } from './index.js';
import { at, expectClose, load, number, PlanBuilder, randoms } from './test/plans.js';

const found = await findAdapter('auto');
const half = found.adapter.features.has('shader-f16');
if (!half) console.log(`f16 is not tested: ${describeAdapter(found.adapter).name} has no shader-f16`);

let device: WebgpuDevice;
beforeAll(async () => { device = await webgpu({ boundsChecks: true }); });
afterAll(() => device.close());

test('the device says whether it has f16', () => expect(device.dtypes.has('f16')).toBe(half));

test.runIf(half)('loads, stores and casts round to the nearest half', async () => {
  for (const size of [12, 13]) {
    const builder = new PlanBuilder(), x = randoms(size, 1).map((v) => v * 100), a = builder.input('f16', x), b = builder.input('f32', x), sum = builder.output('f16', size), wide = builder.output('f32', size);
    const kernel: LoopKernel = {
      kind: 'loop', name: 'half', space: [size], outer: 1, reductions: [], innerStores: [],
      outerStores: [
        { slot: sum, index: at([1]), value: { kind: 'binary', op: 'mul', dtype: 'f16', x: load(a, at([1])), y: number(3, 'f16') } },
        { slot: wide, index: at([1]), value: { kind: 'cast', dtype: 'f32', x: { kind: 'cast', dtype: 'f16', x: load(b, at([1])) } } },
      ],
    };
    const [product, rounded] = await builder.run(device, kernel);
    expect(product).toEqual(x.map((v) => fromHalf(toHalf(Math.fround(fromHalf(toHalf(v)) * 3)))));
    expect(rounded).toEqual(x.map((v) => fromHalf(toHalf(v))));
  }
});

test.runIf(half)('products accumulate in f32', async () => {
  for (const [m, n, k] of [[8, 12, 300], [5, 7, 9]] as const) {
    const builder = new PlanBuilder(), x = randoms(m * k, 2), y = randoms(k * n, 3), out = builder.output('f32', m * n);
    const kernel: DotKernel = {
      kind: 'dot', name: 'half', batch: [], m, n, k, a: { slot: builder.input('f16', x), offset: 0, shape: [m, k], strides: [k, 1] }, b: { slot: builder.input('f16', y), offset: 0, shape: [k, n], strides: [n, 1] },
      stores: [{ slot: out, index: at([n, 1]), value: { kind: 'accumulator', dtype: 'f32' } }],
    };
    const h = (v: number): number => fromHalf(toHalf(v)), expected = Array.from({ length: m * n }, (_, e) => { let s = 0; for (let p = 0; p < k; p++) s += h(x[Math.floor(e / n) * k + p]!) * h(y[p * n + e % n]!); return s; });
    expectClose((await builder.run(device, kernel))[0]!, expected, 1e-5);
  }
});

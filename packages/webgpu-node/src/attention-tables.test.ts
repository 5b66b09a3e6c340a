import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attention, gradients, jit, tensor, type Device, type Plan, type ScoreMod, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import type { WebgpuDevice } from '@ashlar/webgpu';
import { webgpu } from './index.js';
import { expectClose, randoms } from './test/plans.js';

interface Sizes { readonly B: number; readonly H: number; readonly G: number; readonly T: number; readonly S: number; readonly D: number }
interface Case { readonly shapes: (sizes: Sizes) => number[][]; readonly score: (tables: readonly Tensor[], sizes: Sizes) => ScoreMod }

const R = 4;
const cases: Record<string, Case> = {
  'a bias by head and distance': {
    shapes: ({ H }) => [[2 * R + 1, H]],
    score: ([table], { H }) => ({ score, h, q, k }) => score.add(table!.reshape([-1]).at(k.sub(q).maximum(-R).minimum(R).add(R).mul(H).add(h))),
  },
  'a slope a head': { shapes: ({ H }) => [[H]], score: ([slopes]) => ({ score, h, q, k }) => score.sub(slopes!.at(h).mul(q.sub(k).abs().cast('f32'))) },
  'products a query, as of relative keys': {
    shapes: ({ B, H, T }) => [[B * H * T * (R + 1)]],
    score: ([products], { H, T, S }) => ({ score, b, h, q, k }) => score.add(products!.at(b.mul(H).add(h).mul(T).add(q.sub(S - T)).mul(R + 1).add(q.sub(k).maximum(0).minimum(R)))),
  },
  'a bias for all but the first keys and the last one': { shapes: ({ H, S }) => [[1, H, 1, S - 3]], score: ([bias]) => ({ score }) => score.add(bias!.pad(undefined, undefined, undefined, [2, 1])) },
  'two tables under a soft cap, one read twice': {
    shapes: ({ H }) => [[R + 1], [H]],
    score: ([first, second]) => ({ score, h, q, k }) => score.mul(second!.at(h).add(1)).add(first!.at(q.sub(k).abs().minimum(R)).mul(first!.at(k.mod(R)))).div(3).tanh().mul(3),
  },
};
const allSizes: Sizes[] = ([[2, 4, 2, 63, 65, 8], [1, 2, 2, 65, 65, 5], [2, 2, 1, 3, 70, 4]] as const).map(([B, H, G, T, S, D]) => ({ B, H, G, T, S, D }));
const values = (shape: readonly number[], seed: number): Tensor => tensor(Float32Array.from(randoms(shape.reduce((a, n) => a * n, 1), seed)), { shape });

/** Gradients of q, k, v and the tables, under a causal mask that leaves out every third key. */
async function pull(device: Device, { shapes, score }: Case, sizes: Sizes): Promise<{ readonly got: ArrayLike<number>[]; readonly plan: Plan | undefined }> {
  const { B, H, G, T, S, D } = sizes, g = values([B, H, T, D], 4);
  const run = jit((...of: Tensor[]) => {
    const [q, k, v, ...tables] = of as [Tensor, Tensor, Tensor, ...Tensor[]];
    return gradients(attention(q, k, v, { causal: true, mask: (at) => at.k.mod(3).ne(1), score: score(tables, sizes) }).mul(g).sum(), of);
  }, { device });
  const results = run(values([B, H, T, D], 1), values([B, G, S, D], 2), values([B, G, S, D], 3), ...shapes(sizes).map((shape, i) => values(shape, 5 + i)));
  return { got: await Promise.all(results.map((result) => result.data())), plan: run.plan };
}

describe.each(['cpu', 'gpu'] as const)('gradients of captured tables for the %s class', (adapterClass) => {
  let device: WebgpuDevice;
  beforeAll(async () => { device = await webgpu({ adapter: 'swiftshader', adapterClass, boundsChecks: true, poison: true }); });
  afterAll(() => device.close());

  test.each(Object.keys(cases))('%s', async (name) => {
    for (const sizes of adapterClass === 'cpu' ? allSizes : allSizes.slice(0, 1)) {
      const [{ got, plan }, expected] = [await pull(device, cases[name]!, sizes), await pull(reference(), cases[name]!, sizes)];
      expect(plan!.steps.flatMap(({ kernel }) => (kernel.kind === 'fused' ? [kernel.op] : []))).toEqual(['attention', 'attentionGrad']);
      got.forEach((one, i) => expectClose(one as Float32Array, Float64Array.from(expected.got[i]!), 3e-5, `${['dq', 'dk', 'dv'][i] ?? `table ${i - 3}`} at ${JSON.stringify(sizes)}`));
    }
  }, 120_000);
});

test('sums of tables repeat to the bit, and take memory that grows with T alone', async () => {
  const device = await webgpu({ adapter: 'swiftshader' });
  for (const name of ['a bias by head and distance', 'products a query, as of relative keys']) {
    const scratch: number[] = [];
    for (const T of [64, 128, 256]) {
      const sizes = { B: 1, H: 2, G: 2, T, S: T, D: 8 }, [first, second] = [await pull(device, cases[name]!, sizes), await pull(device, cases[name]!, sizes)];
      expect(first.got).toEqual(second.got);
      const scratches = first.plan!.steps.flatMap(({ kernel }) => (kernel.kind === 'fused' ? kernel.scratch : []));
      expect(scratches.length).toBe(name.startsWith('products') ? 1 : 2); // δ, and tables of threads where queries share places
      scratch.push(scratches.reduce((sum, { size }) => sum + size, 0));
    }
    expect(scratch[2]! - scratch[1]!).toBeLessThanOrEqual(2 * (scratch[1]! - scratch[0]!));
    expect(scratch[2]!).toBeLessThan(256 * 256);
  }
  await device.close();
});

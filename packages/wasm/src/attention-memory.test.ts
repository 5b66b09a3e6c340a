import { expect, test } from 'vitest';
import { attention, gradients, jit, plannedBytes, tensor, type AttentionOptions, type Plan, type Tensor } from '@ashlar/tensor';
import { openDevice } from './device.js';
import { numbers } from './test/hand-made.js';

const [H, D, R] = [2, 8, 16];
const values = (shape: number[], seed: number): Tensor => tensor(Float32Array.from(numbers(shape.reduce((a, n) => a * n, 1), seed)), { shape });

/** Options of attention over T tokens, with the tables that want a gradient. */
const kinds: Record<string, (T: number) => { readonly options: (tables: readonly Tensor[]) => AttentionOptions; readonly tables: readonly Tensor[] }> = {
  plain: () => ({ tables: [], options: () => ({}) }),
  'under a window': () => ({ tables: [], options: () => ({ mask: ({ q, k }) => k.le(q).and(q.sub(k).lt(16)) }) }),
  'under a mask of every third key': () => ({ tables: [], options: () => ({ mask: ({ q, k }) => q.sub(k).mod(3).eq(0) }) }),
  'under a union of near keys and every eighth': () => ({ tables: [], options: () => ({ mask: ({ q, k }) => k.le(q).and(q.sub(k).lt(16).or(q.sub(k).mod(8).eq(0))) }) }),
  alibi: () => ({ tables: [values([H], 5)], options: ([slopes]) => ({ causal: true, score: ({ score, h, q, k }) => score.sub(slopes!.at(h).mul(q.sub(k).abs().cast('f32'))) }) }),
  'a T5 bias': () => ({ tables: [values([R * H], 5)], options: ([table]) => ({ causal: true, score: ({ score, h, q, k }) => score.add(table!.at(q.sub(k).maximum(0).minimum(R - 1).mul(H).add(h))) }) }),
  'relative keys': (T) => ({ tables: [values([H * T * R], 5)], options: ([products]) => ({ causal: true, score: ({ score, h, q, k }) => score.add(products!.at(h.mul(T).add(q).mul(R).add(q.sub(k).maximum(0).minimum(R - 1)))) }) }),
};

test.each(Object.keys(kinds))('forward and backward of attention, %s: no buffer of T × S, and bytes linear in T', async (name) => {
  const device = await openDevice({ threads: 2 });
  const planOf = (T: number): Plan => {
    const { options, tables } = kinds[name]!(T), operands = [1, 2, 3].map((seed) => values([1, H, T, D], seed));
    const run = jit((...of: Tensor[]) => { const [q, k, v, ...rest] = of as [Tensor, Tensor, Tensor, ...Tensor[]]; return gradients(attention(q, k, v, options(rest)).square().sum(), of); }, { device });
    run.prepare(...operands, ...tables);
    const plan = run.plan!;
    run.release();
    return plan;
  };
  const lengths = [512, 1024, 2048], plans = lengths.map(planOf);
  plans.forEach((plan, i) => {
    const T = lengths[i]!, slots = plan.steps.flatMap(({ kernel }) => (kernel.kind === 'fused' ? [...kernel.inputs.map((view) => view.slot), ...kernel.outputs.map((view) => view.slot), ...kernel.scratch] : []));
    expect(plan.steps.filter(({ kernel }) => kernel.kind === 'fused').map(({ kernel }) => kernel.name)).toEqual(['attention', 'attentionGrad']);
    for (const slot of [...slots, ...plan.outputs]) expect(slot.size).toBeLessThan(T * T / 2);
    expect(plan.workBytes).toBeLessThan(4 * T * T);
  });
  const bytes = plans.map(plannedBytes);
  // equal steps: a term in T² would make the second more than twice the first
  expect(bytes[2]! - bytes[1]!).toBeLessThanOrEqual(2 * (bytes[1]! - bytes[0]!) + 2048);
  expect(bytes[1]!).toBeLessThanOrEqual(2 * bytes[0]! + 2048);
  await device.close();
});

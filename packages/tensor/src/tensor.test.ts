import { describe, expect, test } from 'vitest';
import { Tensor, Variable, arange, assign, checkpoint, concat, gradients, jit, read, scatterAdd, tensor, where, randomBits, layerNorm, rmsNorm, softmaxCrossEntropy, attention } from './index.js';
import { reference } from './reference.js';
import { PlanDevice } from './testing/plan-interpreter.js';

const random = (shape: number[], seed = 1): Tensor => {
  let state = seed * 2654435761 >>> 0;
  return tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return state / 2 ** 31 - 1; }), { shape });
};

async function agree(value: Tensor): Promise<void> {
  const expected = await value.data(reference()), got = await value.data(new PlanDevice());
  expect(got.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) if (!(Math.abs(got[i]! - expected[i]!) <= 1e-5 * (1 + Math.abs(expected[i]!))) && !(Number.isNaN(got[i]) && Number.isNaN(expected[i])) && got[i] !== expected[i]) throw new Error(`element ${i}: ${got[i]} is not ${expected[i]}`);
}

describe('plans agree with the reference', () => {
  test('views, element-wise work and reductions', async () => {
    const x = random([3, 4, 5]);
    await agree(x.add(1).mul(x.transpose()  .reshape([3, 4, 5])));
    await agree(x.permute(2, 0, 1).reshape([15, 4]).sum(0));
    await agree(x.slice([0, 3, 2], [1, 4], [0, 5, 2]).flip(0, 2).mean([0, 2]));
    await agree(x.pad([1, 0], [0, 2]).exp().sum());
    await agree(concat([x, x.neg(), x.slice(undefined, [0, 2])], 1).max(-1));
    await agree(x.softmax(1));
    await agree(x.logSumExp([0, 2]));
    await agree(x.argmax(1));
    await agree(x.variance(-1, { keepDims: true }));
  });
  test('products, gathers, scatters, random bits', async () => {
    const x = random([2, 3, 4]), w = random([4, 5], 2);
    await agree(x.matmul(w).add(random([5], 3)).tanh().mul(2));
    await agree(x.matmul(x.transpose()).softmax());
    const indices = tensor(new Int32Array([3, 0, 3, 1]));
    await agree(w.gather(indices.reshape([2, 2])).mul(3));
    await agree(scatterAdd(indices, random([4, 3], 5), 4));
    await agree(randomBits(tensor(new Uint32Array([1, 2])), [3, 3]));
    await agree(x.pick(tensor(new Int32Array([1, 2, 3, 0, 1, 2]), { shape: [2, 3] })));
  });
  test('fused operations and their gradients', async () => {
    const x = random([2, 3, 8]), gain = random([8], 2), bias = random([8], 3);
    for (const y of [layerNorm(x, { gain, bias }), rmsNorm(x, { gain })]) for (const g of gradients(y.mul(random([2, 3, 8], 9)).sum(), [x, gain])) await agree(g);
    const logits = random([6, 7], 4), targets = tensor(new Int32Array([1, 2, 3, -100, 0, 6]));
    await agree(gradients(softmaxCrossEntropy(logits, targets).mean(), [logits])[0]!);
    const q = random([1, 4, 5, 4], 5), k = random([1, 2, 7, 4], 6), v = random([1, 2, 7, 4], 7);
    const o = attention(q, k, v, { causal: true });
    await agree(o);
    for (const g of gradients(o.square().sum(), [q, k, v])) await agree(g);
  });
  test('variables are updated in place', async () => {
    for (const device of [reference(), new PlanDevice(), new PlanDevice({ inPlace: false })]) {
      const p = new Variable([4], 'f32', new Float32Array([1, 2, 3, 4])), m = new Variable([4], 'f32');
      const step = jit((x: Tensor) => {
        const loss = read(p).sub(x).square().sum(), [g] = gradients(loss, [read(p)]);
        assign(m, read(m).mul(0.5).add(g!));
        assign(p, read(p).sub(read(m).mul(0.1)));
        return { loss };
      }, { device });
      const losses: number[] = [];
      for (let i = 0; i < 3; i++) losses.push(await step(tensor([0, 0, 0, 0])).loss.item());
      expect(losses[0]).toBe(30);
      let a = [1, 2, 3, 4], b = [0, 0, 0, 0];
      for (let i = 0; i < 3; i++) { expect(losses[i]).toBeCloseTo(a.reduce((s, n) => s + n * n, 0), 4); b = b.map((n, j) => n * 0.5 + 2 * a[j]!); a = a.map((n, j) => n - 0.1 * b[j]!); }
      expect([...(await p.values())].map((n) => Math.fround(n))).toEqual(a.map((n) => expect.closeTo(n, 5)));
      expect(step.compilations.length).toBe(1);
    }
  });
  test('checkpoint', async () => {
    const x = random([3, 4]), w = random([4, 4], 2);
    const f = (h: Tensor): Tensor => h.matmul(w).tanh().matmul(w).tanh();
    const plain = gradients(f(x).sum(), [x, w]), saved = gradients(checkpoint(f)(x).sum(), [x, w]);
    for (const [i, g] of saved.entries()) { await agree(g); expect(await g.data(reference())).toEqual(await plain[i]!.data(reference())); }
  });
  test('gradients added to others', async () => {
    const x = random([3, 4]), w = random([4, 4], 2), onto = [random([3, 4], 3), random([4, 4], 4)], loss = x.matmul(w).tanh().matmul(w).after(x.mul(2)).mul(x.matmul(w)).sum();
    const alone = gradients(loss, [x, w]);
    for (const [i, sum] of gradients(loss, [x, w], { onto }).entries()) {
      await agree(sum);
      const expected = await onto[i]!.add(alone[i]!).data(reference());
      (await sum.data(reference())).forEach((value, k) => expect(value).toBeCloseTo(expected[k]!, 5));
    }
    const untouched = tensor([1, 2]);
    expect([...(await gradients(x.sum(), [untouched], { onto: [tensor([5, 6])] })[0]!.data(reference()))]).toEqual([5, 6]);
  });
  test('swapped variables', async () => {
    for (const device of [reference(), new PlanDevice()]) {
      const a = new Variable([2], 'f32', new Float32Array([1, 2])), b = new Variable([2], 'f32', new Float32Array([3, 4]));
      jit(() => { const [x, y] = [read(a), read(b)]; assign(a, y); assign(b, x); }, { device })();
      expect([...(await a.values()), ...(await b.values())]).toEqual([3, 4, 1, 2]);
    }
  });
  test('where and comparisons', async () => {
    const x = random([7]);
    await agree(where(x.gt(0).and(x.lt(0.5)), x, arange(7).cast('f32')));
  });
});

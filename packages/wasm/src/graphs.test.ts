import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Tensor, attention, gradients, layerNorm, softmaxCrossEntropy, tensor, concat } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { openDevice } from './device.js';
import type { WasmDevice } from './device.js';

const random = (shape: readonly number[], seed = 1): Tensor => {
  let state = seed * 2654435761 >>> 0;
  return tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return state / 2 ** 31 - 1; }), { shape });
};

describe.each([[1, false], [2, undefined], [3, undefined]] as const)('threads %d, relaxed SIMD %s', (threads, relaxedSimd) => {
  let device: WasmDevice;
  beforeAll(async () => { device = await openDevice({ threads, poison: true, ...(relaxedSimd === undefined ? {} : { relaxedSimd }) }); });
  afterAll(() => device.close());

  async function agree(value: Tensor, tolerance = 2e-5): Promise<void> {
    const expected = await value.data(reference()), got = await value.data(device);
    expect(got.length).toBe(expected.length);
    for (let i = 0; i < expected.length; i++) if (!(Math.abs(got[i]! - expected[i]!) <= tolerance * (1 + Math.abs(expected[i]!))) && !(Number.isNaN(got[i]) && Number.isNaN(expected[i])) && got[i] !== expected[i]) throw new Error(`element ${i}: ${got[i]} is not ${expected[i]}`);
  }

  test('element-wise, reductions, views', async () => {
    const x = random([3, 4, 5]);
    await agree(x.add(1).mul(x.permute(0, 2, 1).reshape([3, 4, 5])));
    await agree(x.permute(2, 0, 1).reshape([15, 4]).sum(0));
    await agree(x.slice([0, 3, 2], [1, 4], [0, 5, 2]).flip(0, 2).mean([0, 2]));
    await agree(x.pad([1, 0], [0, 2]).exp().sum());
    await agree(concat([x, x.neg(), x.slice(undefined, [0, 2])], 1).max(-1));
    await agree(x.softmax(1));
    await agree(x.logSumExp([0, 2]));
    await agree(random([700, 130]).sum(0));
    await agree(random([70, 1300]).softmax(-1));
  });
  test('products', async () => {
    for (const [m, k, n] of [[1, 1, 1], [3, 4, 5], [7, 65, 9], [64, 64, 64], [65, 129, 33], [130, 300, 70], [1, 100, 200], [2, 100, 203], [128, 1100, 64]] as const) {
      const a = random([m, k]), b = random([k, n], 2), bt = random([n, k], 3), at = random([k, m], 4);
      await agree(a.matmul(b));
      await agree(a.matmul(bt.transpose()));
      await agree(at.transpose().matmul(b).add(random([n], 5)).tanh());
    }
    await agree(random([3, 5, 7, 9]).matmul(random([9, 11], 2)));
    await agree(random([3, 5, 7, 9]).matmul(random([3, 5, 9, 11], 2)).permute(0, 3, 1, 2));
  });
  test('attention', async () => {
    for (const [B, H, G, T, S, D] of [[1, 1, 1, 1, 1, 4], [2, 4, 2, 7, 9, 8], [1, 2, 1, 65, 63, 5], [1, 2, 2, 130, 130, 16]] as const) {
      for (const causal of [true, false]) {
        const q = random([B, H, T, D], 5), k = random([B, G, S, D], 6), v = random([B, G, S, D], 7);
        const o = attention(q, k, v, { causal });
        await agree(o);
        for (const g of gradients(o.mul(random([B, H, T, D], 8)).sum(), [q, k, v])) await agree(g, 1e-4);
      }
    }
  });
  test('norms and losses', async () => {
    const x = random([2, 3, 65]), gain = random([65], 2), bias = random([65], 3);
    const y = layerNorm(x, { gain, bias });
    await agree(y);
    for (const g of gradients(y.mul(random([2, 3, 65], 9)).sum(), [x, gain, bias])) await agree(g);
    const logits = random([6, 7], 4), targets = tensor(new Int32Array([1, 2, 3, -100, 0, 6]));
    await agree(gradients(softmaxCrossEntropy(logits, targets).mean(), [logits])[0]!);
  });
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Tensor } from '@ashlar/tensor';
import { attention, concat, encode, gradients, layerNorm, rmsNorm, softmaxCrossEntropy, tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { openDevice } from './device.js';
import type { WasmDevice } from './device.js';
import { distance, numbers } from './test/hand-made.js';

let device: WasmDevice;
beforeAll(async () => { device = await openDevice({ threads: 2, poison: true, divide: true }); });
afterAll(() => device.close());

const half = (shape: number[], seed: number): Tensor => tensor(encode('f16', numbers(shape.reduce((a, b) => a * b, 1), seed)), { shape, dtype: 'f16' });

/** Values and gradients on the device are those of the f64 interpreter, to half precision. */
async function agree(f: (...inputs: Tensor[]) => Tensor, inputs: Tensor[], tolerance = 4e-3): Promise<void> {
  const y = f(...inputs), slopes = gradients(y.cast('f32').mul(0.5).sum(), inputs);
  for (const value of [y, ...slopes]) {
    const got = await value.cast('f32').data(device), expected = await value.cast('f32').data(reference());
    expect(distance(got, expected)).toBeLessThan(tolerance);
  }
}

test('element-wise work, views and reductions of halves', async () => {
  await agree((x, y) => x.mul(y).add(x).tanh(), [half([7, 13], 1), half([7, 13], 2)]);
  await agree((x) => x.permute(1, 0).slice([2, 9], [1, 6]).flip(0), [half([7, 13], 3)]);
  await agree((x) => x.sum(0), [half([70, 33], 4)], 2e-2);
  await agree((x) => x.softmax(-1).log(), [half([5, 33], 5)], 8e-3);
  await agree((x, y) => concat([x, y], 1).exp(), [half([3, 5], 6), half([3, 4], 7)]);
  await agree((x) => x.pad([1, 2], [0, 3]).add(1), [half([4, 5], 8)]);
});
test('products of halves', async () => {
  await agree((x, w) => x.matmul(w), [half([17, 40], 1), half([40, 21], 2)], 1e-2);
  await agree((x, w) => x.matmul(w.transpose()), [half([1, 40], 1), half([21, 40], 2)], 1e-2);
});
test('norms, losses and attention of halves', async () => {
  await agree((x, g) => layerNorm(x, { gain: g }), [half([9, 33], 1), half([33], 2)], 1e-2);
  await agree((x, g) => rmsNorm(x, { gain: g }), [half([9, 33], 1), half([33], 2)], 1e-2);
  const targets = tensor(Int32Array.of(0, 5, 2, -1, 6));
  await agree((x) => softmaxCrossEntropy(x, targets), [half([5, 7], 3)]);
  await agree((q, k, v) => attention(q, k, v, { causal: true }), [half([1, 4, 9, 8], 1), half([1, 2, 11, 8], 2), half([1, 2, 11, 8], 3)], 1e-2);
});
test('rows gathered from a table of halves', async () => {
  await agree((table) => table.gather(tensor(Int32Array.of(3, 0, 3, 1))), [half([5, 9], 1)]);
});

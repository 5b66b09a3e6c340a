import { expect, test } from 'vitest';
import { gradients, jit, tensor, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { and, attend, bigBirdPattern, blockLayout, causal, type Mask } from './index.js';

/** Lengths of more than one of a kernel's blocks, so that blocks which a table empties are skipped. */
test.each<[string, Mask, number]>([
  ['bigBird in blocks of 64', bigBirdPattern({ seed: 4, block: 64, windowBlocks: 1, randomBlocks: 1 }), 450], ['bigBird in blocks that a kernel\'s do not fit', bigBirdPattern({ seed: 4, block: 48, windowBlocks: 1, randomBlocks: 1 }), 300],
  ['a layout of blocks', and(causal, blockLayout([[1, 0, 0], [0, 1, 0], [1, 0, 1]], 128)), 300], ['a layout of large blocks, one row empty', blockLayout([[0, 1], [0, 0]], 192), 300],
])('%s: values and gradients of the f64 interpreter', async (_, mask, T) => {
  const input = (seed: number): Tensor => tensor(Float32Array.from({ length: 2 * T * 8 }, (__, i) => Math.sin(i * seed) * 1.5), { shape: [1, 2, T, 8] }), operands = [input(1.1), input(2.3), input(0.7)] as const;
  const [expected, got] = await Promise.all([reference(), await wasm()].map(async (device) => {
    const results = jit((q: Tensor, k: Tensor, v: Tensor) => { const o = attend(q, k, v, { mask }); return [o, ...gradients(o.square().sum(), [q, k, v])]; }, { device })(...operands);
    return Promise.all(results.map((result) => result.data()));
  }));
  expected!.forEach((values, n) => values.forEach((value, i) => { if (!(Math.abs(got![n]![i]! - value) <= 1e-4 * (1 + Math.abs(value)))) throw new Error(`result ${n}, element ${i}: ${got![n]![i]}, expected ${value}`); }));
  expect(expected![0]!.some((value) => value !== 0)).toBe(true);
});

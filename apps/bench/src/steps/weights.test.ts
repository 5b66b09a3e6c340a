import { describe, expect, it } from 'vitest';
import { stepBatch } from './batches.js';
import { r0, r1, stepFlops, stepParameterCount, stepParameters } from './definition.js';
import { hash, stepWeights, weightRange } from './weights.js';

/** Values that `python/training_step.py` gives: `hash32(stream, index)`, `initial_weights()`, `batch(step)`. */
const fromPython = {
  hash: [
    { stream: 0, index: 0, value: 0 },
    { stream: 1, index: 0, value: 301794027 },
    { stream: 1, index: 1, value: 2789948889 },
    { stream: 3, index: 12345, value: 3557774184 },
    { stream: 26, index: 65535, value: 1782027641 },
    { stream: 1000, index: 7, value: 4272097566 },
    { stream: 4294967295, index: 4294967295, value: 616707340 },
  ],
  weights: [
    { name: 'tokens', index: 0, value: -0.03008132055401802, sum: 3.22641883983124 },
    { name: 'positions', index: 8191, value: 0.012436049059033394, sum: 1.6237111403579547 },
    { name: 'layers.0.qkv', index: 129, value: 0.01236704271286726, sum: -2.548164274204055 },
    { name: 'layers.2.norm1', index: 5, value: 1.0, sum: 128.0 },
    { name: 'layers.3.contract', index: 65535, value: -0.00595625676214695, sum: -3.0398964217822595 },
  ],
  batch: [
    { step: 0, inputs: [61, 40, 23, 35, 55, 0, 4, 32], targets: [45, 60, 35, 53, 50, 29, 12, 22], inputSum: 24761, targetSum: 24856 },
    { step: 15, inputs: [3, 25, 50, 30, 18, 0, 4, 31], targets: [28, 6, 46, 1, 11, 15, 44, 53], inputSum: 22966, targetSum: 23284 },
  ],
} as const;

describe('the formulae of R0 agree with the Python script', () => {
  it('hash', () => {
    for (const { stream, index, value } of fromPython.hash) expect(hash(stream, index)).toBe(value);
  });

  it('weights', () => {
    const weights = stepWeights(r0);
    for (const { name, index, value, sum } of fromPython.weights) {
      const values = weights.get(name)!;
      expect(values[index]).toBe(value);
      expect(values.reduce((total, x) => total + x, 0)).toBeCloseTo(sum, 9);
    }
  });

  it('batches', () => {
    for (const { step, inputs, targets, inputSum, targetSum } of fromPython.batch) {
      const batch = stepBatch(r0, step);
      expect([...batch.inputs.slice(0, inputs.length)]).toEqual(inputs);
      expect([...batch.targets.slice(-targets.length)]).toEqual(targets);
      expect(batch.inputs.reduce((total, x) => total + x, 0)).toBe(inputSum);
      expect(batch.targets.reduce((total, x) => total + x, 0)).toBe(targetSum);
    }
  });
});

it('weights have a mean of about 0 and a standard deviation of about 0.02', () => {
  for (const [name, values] of stepWeights(r0)) {
    if (stepParameters(r0).find((parameter) => parameter.name === name)!.shape.length === 1) continue;
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length);
    expect(Math.abs(mean)).toBeLessThan(0.001);
    expect(deviation).toBeCloseTo(weightRange / Math.sqrt(3), 3);
  }
});

it('targets are the inputs one token later', () => {
  const { inputs, targets } = stepBatch(r0, 3);
  for (let i = 0; i < inputs.length; i++) if ((i + 1) % r0.context !== 0) expect(targets[i]).toBe(inputs[i + 1]);
});

it('counts parameters and operations', () => {
  expect(stepParameterCount(r0)).toBe(804_096);
  expect(stepFlops(r0) / 1e9).toBeCloseTo(3.96, 2);
  expect(stepParameterCount(r1)).toBe(10_745_088);
  expect(stepFlops(r1) / 1e9).toBeCloseTo(145.26, 2);
});

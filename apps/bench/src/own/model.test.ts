import { reference } from '@ashlar/tensor/reference';
import { expect, it } from 'vitest';
import { r0Batch } from '../r0/batches.js';
import { r0ParameterCount } from '../r0/definition.js';
import { r0Expected } from '../r0/expected.js';
import { r0Model, r0Step, stepBatch } from './model.js';

it('a step of R0 on the reference interpreter agrees with PyTorch in float64', async () => {
  const model = r0Model();
  expect(model.parameterCount).toBe(r0ParameterCount);
  const { loss, gradNorm } = r0Step(model, reference())(stepBatch(r0Batch(0)));
  expect(Math.abs(await loss.item() - r0Expected.losses[0])).toBeLessThan(1e-6);
  expect(Math.abs(await gradNorm.item() / r0Expected.gradientNorms[0] - 1)).toBeLessThan(1e-6);
  let sum = 0;
  for (const parameter of model.parameters()) for (const x of await parameter.values()) sum += x * x;
  expect(Math.abs(Math.sqrt(sum) / r0Expected.parameterNorms[0] - 1)).toBeLessThan(1e-6);
}, 300_000);

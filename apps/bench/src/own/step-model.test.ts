import { reference } from '@ashlar/tensor/reference';
import { expect, it } from 'vitest';
import { stepBatch } from '../steps/batches.js';
import { r0, stepParameterCount } from '../steps/definition.js';
import { expectedOf } from '../steps/expected.js';
import { compiledStep, stepModel, trainBatch } from './step-model.js';

it('a step of R0 on the reference interpreter agrees with PyTorch in float64', async () => {
  const model = stepModel(r0);
  expect(model.parameterCount).toBe(stepParameterCount(r0));
  const { loss, gradNorm } = compiledStep(r0, model, reference())(trainBatch(r0, stepBatch(r0, 0)));
  expect(Math.abs(await loss.item() - expectedOf.r0.losses[0]!)).toBeLessThan(1e-6);
  expect(Math.abs(await gradNorm.item() / expectedOf.r0.gradientNorms[0]! - 1)).toBeLessThan(1e-6);
  let sum = 0;
  for (const parameter of model.parameters()) for (const x of await parameter.values()) sum += x * x;
  expect(Math.abs(Math.sqrt(sum) / expectedOf.r0.parameterNorms[0]! - 1)).toBeLessThan(1e-6);
}, 300_000);

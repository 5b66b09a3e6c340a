import { reference } from '@ashlar/tensor/reference';
import { expect, it } from 'vitest';
import { r0Batch } from '../r0/batches.js';
import { r0Expected } from '../r0/expected.js';
import { tensorTraining } from './tensor-training.js';

it('a step of R0 on the reference interpreter agrees with PyTorch in float64', async () => {
  const { loss, norm } = tensorTraining(reference()).run(r0Batch(0));
  expect(Math.abs(await loss.item() - r0Expected.losses[0])).toBeLessThan(1e-6);
  expect(Math.abs(await norm.item() / r0Expected.gradientNorms[0] - 1)).toBeLessThan(1e-6);
}, 300_000);

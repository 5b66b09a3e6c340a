import { reference } from '@ashlar/tensor/reference';
import { expect, it } from 'vitest';
import { r0Batch } from '../r0/batches.js';
import { r0Expected } from '../r0/expected.js';
import { tensorTraining } from './tensor-training.js';

it('R0 on the reference interpreter agrees with PyTorch in float64', async () => {
  const training = tensorTraining(reference());
  for (let step = 0; step < 2; step++) {
    const { loss, norm } = training.run(r0Batch(step));
    expect(Math.abs(await loss.item() - r0Expected.losses[step]!)).toBeLessThan(1e-6);
    expect(Math.abs(await norm.item() / r0Expected.gradientNorms[step]! - 1)).toBeLessThan(1e-6);
  }
}, 300_000);

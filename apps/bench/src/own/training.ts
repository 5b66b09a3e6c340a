/** R0 on one of our devices, as a contestant and for the memory test. */
import { plannedBytes, type Device } from '@ashlar/tensor';
import { r0Batch } from '../r0/batches.js';
import type { Training } from '../serve.js';
import { tensorTraining } from './tensor-training.js';

/** Steps over which submits are counted, with nothing read in between. */
const countedSteps = 4;

/** R0 with its initial weights on the device, which the training then owns. */
export function ownTraining(device: Device): Training {
  const { step, run, parameters } = tensorTraining(device);
  const last = parameters.at(-1)!;
  return {
    about: { device: device.description, node: process.versions.node },
    async step(batch) {
      const { loss, norm } = run(batch);
      await step.ready();
      return { loss: () => loss.item(), gradientNorm: () => norm.item() };
    },
    // A read waits for everything enqueued before it.
    async synchronise() { await last.read(); },
    async parameterNorm() {
      let sum = 0;
      for (const parameter of parameters) for (const x of await parameter.values()) sum += x * x;
      return Math.sqrt(sum);
    },
    async figures() {
      const plan = step.plan;
      if (!plan) throw new Error(`${device.description} tells no plan`);
      const { submits, runs } = device.counters, batch = r0Batch(0);
      for (let i = 0; i < countedSteps; i++) {
        run(batch);
        await step.ready();
      }
      const submitsPerStep = (device.counters.submits - submits) / (device.counters.runs - runs);
      await last.read();
      return {
        peakBytes: device.counters.peakBytes, plannedPeakBytes: plannedBytes(plan),
        kernels: plan.steps.length, submitsPerStep, compilations: step.compilations.length,
      };
    },
    close: () => device.close(),
  };
}

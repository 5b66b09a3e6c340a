/** A training step on one of our devices, as a contestant. */
import { plannedBytes, type Device, type Plan } from '@ashlar/tensor';
import { stepBatch } from '../steps/batches.js';
import type { StepDefinition } from '../steps/definition.js';
import type { Training } from '../serve.js';
import { compiledStep, stepModel, trainBatch } from './step-model.js';

/** Steps over which submits are counted, with nothing read in between. */
const countedSteps = 2;

/** A training whose plan can be asked for, once a step has run. */
export interface OwnTraining extends Training { plan(): Plan | undefined }

/** The step with its initial weights on the device, which the training then owns. */
export function ownTraining(definition: StepDefinition, device: Device): OwnTraining {
  const model = stepModel(definition), step = compiledStep(definition, model, device);
  const parameters = model.parameters(), last = parameters.at(-1)!;
  return {
    about: { device: device.description, node: process.versions.node },
    async step(batch) {
      const { loss, gradNorm } = step(trainBatch(definition, batch));
      await step.ready();
      return { loss: () => loss.item(), gradientNorm: () => gradNorm.item() };
    },
    // A read waits for everything enqueued before it.
    async synchronise() { await last.read(); },
    async parameterNorm() {
      let sum = 0;
      for (const parameter of parameters) for (const x of await parameter.values()) sum += x * x;
      return Math.sqrt(sum);
    },
    async figures() {
      const { plan } = step;
      if (!plan) throw new Error(`${device.description} tells no plan`);
      const { submits, runs } = device.counters, batch = trainBatch(definition, stepBatch(definition, 0));
      for (let i = 0; i < countedSteps; i++) {
        step(batch);
        await step.ready();
      }
      const submitsPerStep = (device.counters.submits - submits) / (device.counters.runs - runs);
      await last.read();
      return {
        peakBytes: device.counters.peakBytes, plannedPeakBytes: plannedBytes(plan),
        kernels: plan.steps.length, submitsPerStep, compilations: step.compilations.length,
      };
    },
    plan: () => step.plan,
    close: () => device.close(),
  };
}

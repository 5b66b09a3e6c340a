import { defineBenchmark } from '@ashlar/conformance/benchmark';
import { compiledStep, stepModel, trainBatch } from '../src/own/step-model.js';
import { ownTraining } from '../src/own/training.js';
import { gather } from '../src/serve.js';
import { stepBatch } from '../src/steps/batches.js';
import { stepFlops, stepNamed, tokensPerStep } from '../src/steps/definition.js';
import { expectedOf } from '../src/steps/expected.js';
import { objections, tolerance } from '../src/steps/gate.js';

const middle = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

export const benchmarks = [
  defineBenchmark({
    suite: 'step', name: 'trainingStep', description: 'A training step of R0 or R1, ours alone; `bench r0` and `bench r1` run the peers beside it.',
    parameters: { step: ['r0', 'r1'] },
    async prepare({ step }, place) {
      const definition = stepNamed(step), training = ownTraining(definition, await place.device());
      let count = 0;
      return {
        work: { flops: stepFlops(definition), tokens: tokensPerStep(definition) },
        async check() {
          const found = objections(definition.name, await gather(definition, training));
          if (found.length > 0) throw new Error(found.join('; '));
        },
        async run() { await training.step(stepBatch(definition, count++ % 16)); },
        synchronise: () => training.synchronise(),
        async figures() {
          const { plannedPeakBytes, kernels } = await training.figures!();
          return { planBytes: plannedPeakBytes!, kernels: kernels! };
        },
      };
    },
  }),
  defineBenchmark({
    suite: 'compile', name: 'firstStep', description: 'From no device to the first loss: a device is opened, a model made, its training step compiled and run once.',
    parameters: { step: ['r0', 'r1'] },
    prepare({ step }, place) {
      const definition = stepNamed(step), batch = trainBatch(definition, stepBatch(definition, 0)), compileMs: number[] = [], firstStepMs: number[] = [];
      const first = async (): Promise<number> => {
        const device = await place.openDevice();
        try {
          const model = stepModel(definition), training = compiledStep(definition, model, device), started = performance.now();
          const loss = await training(batch).loss.item();
          firstStepMs.push(performance.now() - started);
          compileMs.push(training.compilations[0]!.milliseconds);
          return loss;
        } finally {
          await device.close();
        }
      };
      return {
        async check() {
          const loss = await first(), expected = expectedOf[definition.name].losses[0]!;
          if (!(Math.abs(loss - expected) <= tolerance.loss)) throw new Error(`the loss is ${loss}, expected ${expected}`);
        },
        async run() { await first(); },
        figures: () => ({ compileMs: middle(compileMs), firstStepMs: middle(firstStepMs) }),
      };
    },
    judge(results, kind) {
      const most = kind === 'wasm' ? 2 : 8;
      return results.filter(({ parameters }) => parameters.step === 'r0').map(({ figures: { firstStepMs } }) => ({ what: `first step of R0: ${(firstStepMs! / 1000).toFixed(2)} s (at most ${most} s)`, holds: firstStepMs! <= 1000 * most }));
    },
  }),
];

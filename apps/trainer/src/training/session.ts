import { adamW, cosine } from '@ashlar/optim';
import type { Device } from '@ashlar/tensor';
import { evaluator, readState, restoreState, train, trainStep, type TrainResult, type TrainStep } from '@ashlar/train';
import { openMetrics } from '@ashlar/train/node';
import type { Batches } from '@ashlar/text';
import { configHash } from '../config/resolve.js';
import { exitCodes, Failure } from '../failure.js';
import type { Progress } from '../progress/progress.js';
import type { RunFolder } from '../run-folder.js';
import type { Materials } from '../tasks/materials.js';

/** The step of a config on a device. */
export function buildStep({ config, learner }: Materials, device: Device): TrainStep {
  const { learningRate: { peak, final, warmup }, steps, betas, epsilon, weightDecay, clip, seed, microBatches, recompute } = config.training;
  return trainStep({
    model: learner, device, seed, microBatches, recompute, ...(clip === null ? {} : { clip }),
    optimizer: adamW({ learningRate: cosine({ peak, warmup, steps, ...(final === undefined ? {} : { final }) }), betas, epsilon, weightDecay }),
  });
}

/** Takes up the newest whole checkpoint of a run, if there is one. Returns the updates done so far, and what is worth telling. */
export function resumeStep(step: TrainStep, run: RunFolder, materials: Materials, device: Device): { step: number; notes: string[] } {
  const found = run.checkpoints.newest();
  if (found === undefined) return { step: 0, notes: ['no checkpoint was written yet: beginning at step 1'] };
  const { facts, tensors, damaged, path } = found;
  if (facts.configHash !== configHash(materials.config)) {
    throw new Failure(exitCodes.data, `${path}: belongs to another config than ${run.config}; restore that file, or begin a new run`);
  }
  restoreState(step, facts.optimizerCount, tensors);
  const notes = damaged.map(({ message }) => `${message}; going back to the checkpoint before it`);
  if (facts.device !== device.kind) notes.push(`the run was on ${facts.device} up to here: on ${device.kind} its losses differ by rounding`);
  if (device.kind === 'reference') notes.push('the reference device computes in double precision and a checkpoint keeps single precision: its losses differ by rounding from those of an uninterrupted run');
  return { step: facts.step, notes: [...notes, `going on after step ${facts.step}`] };
}

export interface SessionOptions {
  readonly materials: Materials;
  readonly batches: Batches;
  readonly device: Device;
  readonly step: TrainStep;
  readonly run: RunFolder;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Trains to the last step, or to where the signal stops it; leaves rows and checkpoints in the run's folder. */
export async function runSession({ materials, batches, device, step, run, progress, signal }: SessionOptions): Promise<TrainResult> {
  const { config, learner, evaluation, tokenizer } = materials;
  const { training } = config;
  const evaluate = evaluator({ model: learner, device, batches: evaluation });
  using metrics = openMetrics(run.metrics, { after: step.count });
  try {
    return await train({
      step, batches, steps: training.steps, logEvery: training.logEvery, signal,
      evaluateEvery: training.evaluateEvery, checkpointEvery: training.checkpointEvery,
      evaluate: async () => {
        progress.busy('evaluating');
        return evaluate();
      },
      checkpoint: async (at) => {
        metrics.flush();
        run.checkpoints.save({
          facts: { step: at, seed: training.seed, configHash: configHash(config), optimizerCount: step.state.count, device: device.kind, tokenizer: tokenizer.toJSON() },
          tensors: await readState(step.state),
        });
      },
      callbacks: {
        onStep: (row) => {
          metrics.append(row);
          progress.row(row);
        },
      },
    });
  } finally {
    evaluate.release();
  }
}

/** The held-out loss of the model as it is, in nats a prediction. */
export async function measureLoss({ learner, evaluation }: Pick<Materials, 'learner' | 'evaluation'>, device: Device): Promise<number> {
  const evaluate = evaluator({ model: learner, device, batches: evaluation });
  try {
    return await evaluate();
  } finally {
    evaluate.release();
  }
}


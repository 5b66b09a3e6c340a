/** What a size comes to, with its training: its plans, and which needs it does not meet. */
import { build, type ModelConfigInput } from '@ashlar/models';
import { plannedBytes, type Device } from '@ashlar/tensor';
import { estimatedSeconds, type DeviceRates } from '../plan/device-rates.js';
import { planStep } from '../plan/plan-training.js';
import { planUse } from '../plan/plan-use.js';
import type { DesignNeeds, DesignTask } from './needs.js';
import { chooseParts, type Choice, type Situation } from './rules.js';
import { batchFor, learningRateFor, trainingTokens, type Size } from './sizes.js';

/** Where it is planned: a device, which is asked for its kernels alone, and how fast it is (`measureRates`). */
export interface DesignPlace { readonly device: Device; readonly rates: DeviceRates }

/** A config of `ashlar train`, without the place of the text. */
export interface DesignedConfig {
  readonly task: DesignTask;
  readonly model: ModelConfigInput;
  readonly data: { readonly tokenizer: 'byte' };
  readonly training: {
    readonly steps: number; readonly batch: number; readonly context: number; readonly recompute: boolean;
    readonly learningRate: { readonly peak: number; readonly warmup: number };
  };
}

/** What the config takes, by its plans; seconds are estimates. */
export interface DesignPlan {
  readonly parameters: number;
  /** Tokens of the whole training, and how often it reads the text. */
  readonly tokens: number;
  readonly epochs: number;
  /** Bytes of a step of the training. */
  readonly trainingBytes: number;
  readonly secondsPerStep: number;
  readonly trainingSeconds: number;
  /** Bytes of the model at work on one sequence of the whole context. */
  readonly useBytes: number;
  /** Seconds of a written token; of encoders: of a text of the whole context. */
  readonly useSeconds: number;
}

/** A need that a size does not meet: what it would take, at the least. */
export interface Excess { readonly need: 'dataTokens' | 'memory' | 'trainingSeconds' | 'latency'; readonly parameters: number; readonly takes: number }

/** A size with its training. */
export interface Candidate { readonly config: DesignedConfig; readonly choices: readonly Choice[]; readonly plan: DesignPlan }

const situationOf = (needs: DesignNeeds, { width, depth, headWidth }: Size, epochs: number): Situation => ({ ...needs, width, depth, heads: width / headWidth, epochs });
const modelOf = (situation: Situation): ModelConfigInput => chooseParts(situation).model as unknown as ModelConfigInput;

/** Parameters of the model that a size gives. */
export const countsOf = (needs: DesignNeeds, size: Size): { readonly parameters: number; readonly embedding: number } => {
  const { parameterCount, parameterCounts } = build(modelOf(situationOf(needs, size, 0)), { seed: 'none' });
  return { parameters: parameterCount, embedding: parameterCounts.embedding };
};

/** The config of a size where it meets the needs; else which it does not meet: the first that was found, or `everything`. */
export function trySize(needs: DesignNeeds, size: Size, { device, rates }: DesignPlace, everything = false): { readonly candidate?: Candidate; readonly excesses: readonly Excess[] } {
  const { purpose, task, context, dataTokens, memory, trainingSeconds: most = Infinity, latency = Infinity } = needs;
  const { parameters, embedding } = countsOf(needs, size);
  const excesses: Excess[] = [], training = purpose === 'training';
  const exceeds = (need: Excess['need'], takes: number, allowed: number): boolean => {
    if (takes > allowed && !excesses.some((one) => one.need === need)) excesses.push({ need, parameters, takes });
    return excesses.length > 0 && !everything;
  };
  const tokens = trainingTokens(parameters, dataTokens, purpose), rowTokens = task === 'sequenceToSequence' ? 2 * context : context;
  // Without a plan: weights, in training with gradients and two averages; and six operations a parameter and token, of a pair's in its own stack.
  const flops = (6 * (parameters - embedding) * tokens.least) / (task === 'sequenceToSequence' ? 2 : 1);
  if (!everything && (exceeds('memory', (training ? 16 : 4) * parameters, memory) || exceeds('trainingSeconds', flops / rates.flopsPerSecond, most))) return { excesses };

  const { model, tokenizer, choices } = chooseParts(situationOf(needs, size, tokens.most / dataTokens)), config = model as unknown as ModelConfigInput;
  const use = planUse(config, context, device), useSeconds = estimatedSeconds(use.plan, rates);
  if (exceeds('latency', useSeconds, latency) || exceeds('memory', use.bytes, memory)) return { excesses };

  const planned = (batch: number, recompute: boolean) => {
    const plan = planStep({ model: config, batch, context, recompute }, device);
    return { batch, recompute, bytes: plannedBytes(plan), secondsPerStep: estimatedSeconds(plan, rates), rowBytes: plan.workBytes / batch };
  };
  let step = planned(batchFor(parameters, rowTokens, tokens.least), false);
  const tooMuch = (): boolean => training && step.bytes > memory;
  if (tooMuch()) step = planned(step.batch, true);
  while (tooMuch() && step.batch > 1) step = planned(Math.max(1, Math.min(step.batch - 1, Math.floor(step.batch - (step.bytes - memory) / step.rowBytes))), true);
  if (training && exceeds('memory', step.bytes, memory)) return { excesses };

  const stepTokens = step.batch * rowTokens, fewest = Math.max(1, Math.ceil(tokens.least / stepTokens));
  if (exceeds('trainingSeconds', fewest * step.secondsPerStep, most)) return { excesses };
  if (excesses.length > 0) return { excesses };
  const steps = Math.max(fewest, Math.min(Math.ceil(tokens.most / stepTokens), Math.floor(most / step.secondsPerStep)));
  return {
    excesses,
    candidate: {
      config: {
        task, model: config, data: { tokenizer },
        training: { steps, batch: step.batch, context, recompute: step.recompute, learningRate: { peak: learningRateFor(parameters), warmup: Math.min(1000, Math.floor(steps / 20)) } },
      },
      choices,
      plan: {
        parameters, tokens: steps * stepTokens, epochs: (steps * stepTokens) / dataTokens, trainingBytes: step.bytes, secondsPerStep: step.secondsPerStep,
        trainingSeconds: steps * step.secondsPerStep, useBytes: use.bytes, useSeconds,
      },
    },
  };
}

import type { Tensor } from '@ashlar/tensor';
import type { Batch, Batches } from '@ashlar/text';
import type { MetricsRow } from './metrics.js';
import { nextTurn } from './next-turn.js';

/** What the loop asks of a training step; `trainStep` gives one. */
export interface LoopStep {
  /** Enqueues one update. */
  (batch: Batch): { readonly loss: Tensor; readonly gradNorm: Tensor };
  /** Updates so far. */
  readonly count: number;
  /** Of the next update. */
  readonly learningRate: number;
  /** Resolves when at most one update is still under way. */
  ready(): Promise<void>;
}

export interface TrainCallbacks {
  /** A logged step: its numbers, with those of an evaluation at the same step. */
  onStep?(row: MetricsRow): void;
  onEvaluate?(evaluation: { readonly step: number; readonly valLoss: number; readonly milliseconds: number }): void;
  onCheckpoint?(checkpoint: { readonly step: number; readonly milliseconds: number }): void;
}

export interface TrainOptions {
  readonly step: LoopStep;
  /** Training batches by number: update n (from 1) takes `batchAt(n - 1)`, so a restored step goes on where it stood. */
  readonly batches: Pick<Batches, 'batchAt' | 'shape'>;
  /** Updates altogether, those of a restored step included. */
  readonly steps: number;
  /** Every so many steps the loss is read and a row made; so is it at the last step and at evaluations. Default 1. */
  readonly logEvery?: number;
  /** Mean loss over the held-out part (`evaluator` makes such a function); runs every `evaluateEvery` steps and at the last. */
  readonly evaluate?: () => Promise<number>;
  /** Default: only at the last step. */
  readonly evaluateEvery?: number;
  /** Keeps what is needed to go on from `step`; runs every `checkpointEvery` steps, at the last, and where `signal` stops the loop. */
  readonly checkpoint?: (step: number) => Promise<void>;
  /** Default: only at the last step. */
  readonly checkpointEvery?: number;
  readonly callbacks?: TrainCallbacks;
  /** Once aborted, the step under way is finished and the loop returns. */
  readonly signal?: AbortSignal;
}

export interface TrainResult {
  /** Updates so far. */
  readonly step: number;
  /** False where the signal stopped the loop before the last step. */
  readonly finished: boolean;
  /** The last row of this call. */
  readonly row?: MetricsRow;
}

/** The loss or the gradient is no longer a finite number. No checkpoint was written since. */
export class DivergedError extends Error {
  override readonly name = 'DivergedError';
  constructor(readonly step: number, loss: number, gradNorm: number) {
    super(`train: step ${step} gave loss ${loss} and gradient norm ${gradNorm}; lower the peak learning rate, lengthen the warm-up or clip the gradient`);
  }
}

/**
 * Runs a training step up to a number of updates. The loss is waited for only at logged steps. At one step the order is
 * update, evaluation, row, checkpoint, so that a checkpoint of step n stands for exactly the rows up to n.
 *
 * @throws DivergedError, RangeError on a count that is no whole number from 1, and what the step or a callback throws.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const { step, batches, steps, evaluate, checkpoint, callbacks = {}, signal } = options;
  count('steps', steps);
  const logEvery = count('logEvery', options.logEvery ?? 1);
  const evaluateEvery = count('evaluateEvery', options.evaluateEvery ?? steps);
  const checkpointEvery = count('checkpointEvery', options.checkpointEvery ?? steps);
  const stopped = (): boolean => signal?.aborted ?? false;

  let row: MetricsRow | undefined;
  let seconds = 0, tokens = 0;
  let since = performance.now();
  while (step.count < steps && !stopped()) {
    const rate = step.learningRate;
    const batch = batches.batchAt(step.count), { loss, gradNorm } = step(batch);
    await step.ready();
    await nextTurn();
    tokens += batch.tokens.length;
    const at = step.count, last = at === steps;
    const evaluates = evaluate !== undefined && (last || at % evaluateEvery === 0);
    const logs = evaluates || last || at % logEvery === 0;
    const saves = checkpoint !== undefined && (last || stopped() || at % checkpointEvery === 0);
    if (!logs && !saves) continue;

    const [lossNow, gradNormNow] = await Promise.all([loss.item(), gradNorm.item()]);
    seconds += (performance.now() - since) / 1000;
    if (!Number.isFinite(lossNow) || !Number.isFinite(gradNormNow)) throw new DivergedError(at, lossNow, gradNormNow);
    if (logs) {
      const valLoss = evaluates ? await timed(evaluate, (value, milliseconds) => callbacks.onEvaluate?.({ step: at, valLoss: value, milliseconds })) : undefined;
      row = {
        step: at, loss: lossNow, ...(valLoss === undefined ? {} : { valLoss }),
        learningRate: rate, gradNorm: gradNormNow, tokensPerSecond: Math.round(tokens / Math.max(seconds, 1e-9)), seconds: Number(seconds.toFixed(6)),
      };
      seconds = tokens = 0;
      callbacks.onStep?.(row);
    }
    if (checkpoint !== undefined && (saves || stopped())) {
      await timed(() => checkpoint(at), (_, milliseconds) => callbacks.onCheckpoint?.({ step: at, milliseconds }));
    }
    since = performance.now();
  }
  return { step: step.count, finished: step.count >= steps, ...(row === undefined ? {} : { row }) };
}

async function timed<T>(action: () => Promise<T>, then: (value: T, milliseconds: number) => void): Promise<T> {
  const start = performance.now();
  const value = await action();
  then(value, performance.now() - start);
  return value;
}

function count(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`train: ${name} must be a whole number from 1, got ${value}`);
  return value;
}

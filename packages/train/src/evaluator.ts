import { jit, type Device, type Tensor } from '@ashlar/tensor';
import type { EvaluationBatches } from '@ashlar/text';
import { batchTensors, type BatchTensors, type LossInput } from './batch-tensors.js';
import { nextTurn } from './next-turn.js';

/** What an evaluation asks of a model. Shapes: tokens [B, T], targets and weights [B, T] or [B]; the loss is Σ weights · loss / Σ weights. */
export interface LossModel {
  loss(tokens: Tensor, targets: Tensor, weights?: Tensor, input?: LossInput): Tensor;
}

export interface EvaluatorOptions {
  readonly model: LossModel;
  readonly device: Device;
  readonly batches: EvaluationBatches;
}

/** The mean loss over all of the batches, in nats a token. */
export interface Evaluator {
  (): Promise<number>;
  release(): void;
}

/** Losses stay readable for many more runs than this. */
const readEvery = 256;

/**
 * Σ over all predictions of the loss / their number: every held-out token counts once. The loss is compiled on the
 * first call; all calls with the same parameters give the same number.
 */
export function evaluator({ model, device, batches }: EvaluatorOptions): Evaluator {
  const { count, predictions } = batches;
  const lossOf = jit(({ tokens, targets, weights, input }: BatchTensors) => model.loss(tokens, targets, weights, input), { device, name: 'evaluate' });

  const evaluate = async (): Promise<number> => {
    let total = 0;
    for (let first = 0; first < count; first += readEvery) {
      const losses: Tensor[] = [], shares: number[] = [];
      for (let index = first; index < Math.min(first + readEvery, count); index++) {
        const batch = batches.batchAt(index);
        losses.push(lossOf(batchTensors(batch)));
        shares.push(batch.weights.reduce((sum, weight) => sum + weight, 0));
        await lossOf.ready();
        await nextTurn();
      }
      const values = await Promise.all(losses.map((loss) => loss.item()));
      values.forEach((value, i) => { total += value * shares[i]!; });
    }
    return total / predictions;
  };
  return Object.assign(evaluate, { release: () => lossOf.release() });
}

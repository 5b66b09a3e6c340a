import { jit, tensor, type Device, type Tensor } from '@ashlar/tensor';
import type { EvaluationBatches } from '@ashlar/text';
import { nextTurn } from './next-turn.js';

/** What an evaluation asks of a model. Shapes: tokens, targets, weights [B, T]; the loss is Σ weights · loss / Σ weights. */
export interface LossModel {
  loss(tokens: Tensor, targets: Tensor, weights?: Tensor): Tensor;
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
  const { shape: [rows, context], count, predictions } = batches;
  const shape = [rows, context];
  const lossOf = jit((tokens: Tensor, targets: Tensor, weights: Tensor) => model.loss(tokens, targets, weights), { device, name: 'evaluate' });

  const evaluate = async (): Promise<number> => {
    let total = 0;
    for (let first = 0; first < count; first += readEvery) {
      const losses: Tensor[] = [], shares: number[] = [];
      for (let index = first; index < Math.min(first + readEvery, count); index++) {
        const { tokens, targets, weights } = batches.batchAt(index);
        losses.push(lossOf(tensor(tokens, { shape }), tensor(targets, { shape }), tensor(weights, { shape })));
        shares.push(weights.reduce((sum, weight) => sum + weight, 0));
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

import { assertCount, type Batch, type Batches } from './batches.js';
import { tokenSource, type Tokens } from './token-source.js';

/** A batch that says what counts. */
export type WeightedBatch = Batch & { readonly weights: Float32Array };

/** Batches that cover a text, or examples, once. Every one carries `weights`. */
export interface EvaluationBatches extends Batches {
  /** Number of batches. */
  readonly count: number;
  /** Number of predictions in all batches together: the sum of all weights; of a text of N tokens, N − 1. */
  readonly predictions: number;
  batchAt(index: number): WeightedBatch;
  [Symbol.asyncIterator](): AsyncIterator<WeightedBatch>;
}

export interface EvaluationBatchesOptions {
  readonly tokens: Tokens;
  /** Tokens a row (T). */
  readonly context: number;
  /** Rows a batch (B). */
  readonly batch: number;
}

/**
 * The whole text once, in order: row r predicts tokens r·T + 1 … r·T + T, so each token but the first is predicted exactly once.
 * The mean loss is Σ weights · loss / `predictions`. What the last batch lacks is padded with token 0 and weight 0.
 *
 * @throws Error where the text has fewer than 2 tokens.
 */
export function evaluationBatches({ tokens, context, batch }: EvaluationBatchesOptions): EvaluationBatches {
  const source = tokenSource(tokens);
  assertCount('context', context, 1);
  assertCount('batch', batch, 1);
  if (source.length < 2) throw new Error(`evaluationBatches: at least 2 tokens are needed to predict one, got ${source.length}; hold out more text`);
  const predictions = source.length - 1;
  const rows = Math.ceil(predictions / context);
  const count = Math.ceil(rows / batch);

  return finite([batch, context], count, predictions, (index) => {
    const size = batch * context;
    const inputs = new Int32Array(size), targets = new Int32Array(size), weights = new Float32Array(size);
    const first = index * size;
    const real = Math.min(size, predictions - first);
    const window = new Int32Array(real + 1);
    source.read(first, window);
    inputs.set(window.subarray(0, real));
    targets.set(window.subarray(1));
    weights.fill(1, 0, real);
    return { tokens: inputs, targets, weights, shape: [batch, context] };
  });
}

/** So many batches, from a function of their number. */
export function finite(shape: Batches['shape'], count: number, predictions: number, make: (index: number) => WeightedBatch): EvaluationBatches {
  const batchAt = (index: number): WeightedBatch => {
    if (!Number.isSafeInteger(index) || index < 0 || index >= count) {
      throw new RangeError(`evaluationBatches: batch must be a whole number from 0 to ${count - 1}, got ${index}`);
    }
    return make(index);
  };
  return {
    shape, count, predictions, batchAt,
    async *[Symbol.asyncIterator]() {
      for (let index = 0; index < count; index++) yield batchAt(index);
    },
  };
}

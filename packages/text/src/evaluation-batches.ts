import { assertCount, type Batch, type Batches } from './batches.js';
import { tokenSource, type Tokens } from './token-source.js';

/** Batches that cover a text once. Every one carries `weights`. */
export interface EvaluationBatches extends Batches {
  /** Number of batches. */
  readonly count: number;
  /** Number of predictions in all batches together: N − 1, the sum of all weights. */
  readonly predictions: number;
  batchAt(index: number): Batch & { readonly weights: Float32Array };
  [Symbol.asyncIterator](): AsyncIterator<Batch & { readonly weights: Float32Array }>;
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

  const batchAt = (index: number) => {
    if (!Number.isSafeInteger(index) || index < 0 || index >= count) {
      throw new RangeError(`evaluationBatches: batch must be a whole number from 0 to ${count - 1}, got ${index}`);
    }
    const size = batch * context;
    const inputs = new Int32Array(size), targets = new Int32Array(size), weights = new Float32Array(size);
    const first = index * size;
    const real = Math.min(size, predictions - first);
    const window = new Int32Array(real + 1);
    source.read(first, window);
    inputs.set(window.subarray(0, real));
    targets.set(window.subarray(1));
    weights.fill(1, 0, real);
    return { tokens: inputs, targets, weights, shape: [batch, context] as const };
  };
  return {
    shape: [batch, context],
    count,
    predictions,
    batchAt,
    async *[Symbol.asyncIterator]() {
      for (let index = 0; index < count; index++) yield batchAt(index);
    },
  };
}

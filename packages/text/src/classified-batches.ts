import { endless, type Batches } from './batches.js';
import { randomBelow } from './counter-random.js';
import { finite, type EvaluationBatches } from './evaluation-batches.js';
import { rowsInOrder, shuffledRows, windowStream, type BucketRows } from './length-buckets.js';

/** A text and the number of its class. */
export interface ClassifiedText { readonly tokens: Uint32Array; readonly label: number }

export interface ClassifiedBatchesOptions {
  readonly examples: readonly ClassifiedText[];
  /** The most tokens of a row (T). */
  readonly context: number;
  /** Rows a batch (B). */
  readonly batch: number;
  /** Any safe integer from 0. */
  readonly seed: number;
}

/**
 * Endless batches of texts of similar length, padded to the same: tokens and padding [B, T], targets [B], the classes. Of a
 * text longer than the context a window is taken, drawn anew each time. Batch n is a function of the seed and n alone.
 * @throws {RangeError}
 */
export function classifiedBatches({ examples, context, batch, seed }: ClassifiedBatchesOptions): Batches {
  const rowsAt = shuffledRows({ lengths: lengthsOf(examples), longest: context, batch, seed });
  return endless([batch, context], (step) => padded(examples, rowsAt(step), batch, (length, row) => (length <= context ? 0 : randomBelow(length - context + 1, seed, step, row, windowStream))));
}

/** Every text once, by its first T tokens. The weights [B] are 0 in rows that the last batches lack. */
export function classifiedEvaluation({ examples, context, batch }: Omit<ClassifiedBatchesOptions, 'seed'>): EvaluationBatches {
  const rows = rowsInOrder({ lengths: lengthsOf(examples), longest: context, batch });
  return finite([batch, context], rows.length, examples.length, (index) => {
    const weights = new Float32Array(batch).fill(1, 0, rows[index]!.examples.length);
    return { ...padded(examples, rows[index]!, batch, () => 0), weights };
  });
}

const lengthsOf = (examples: readonly ClassifiedText[]): number[] => examples.map(({ tokens }) => tokens.length);

function padded(examples: readonly ClassifiedText[], { examples: numbers, length }: BucketRows, batch: number, startOf: (length: number, row: number) => number) {
  const tokens = new Int32Array(batch * length), padding = new Uint32Array(batch * length).fill(1), targets = new Int32Array(batch);
  for (const [row, number] of numbers.entries()) {
    const { tokens: all, label } = examples[number]!, start = startOf(all.length, row), window = all.subarray(start, start + length);
    tokens.set(window, row * length);
    padding.fill(0, row * length, row * length + window.length);
    targets[row] = label;
  }
  return { tokens, targets, padding, shape: [batch, length] as const };
}

import { assertCount, endless, type Batches } from './batches.js';
import { finite, type EvaluationBatches, type WeightedBatch } from './evaluation-batches.js';
import { shuffledOrder } from './length-buckets.js';
import { tokenDocuments, type TokenDocuments } from './token-source.js';

export interface PackedBatchesOptions {
  /** Texts of their own as tokens, with those that begin and end them where the model is to learn them. What has fewer than two tokens is passed over. */
  readonly documents: readonly Uint32Array[] | TokenDocuments;
  /** Tokens a row (T). */
  readonly context: number;
  /** Rows a batch (B). */
  readonly batch: number;
  /** Any safe integer from 0. */
  readonly seed: number;
  /** How many documents, one after the other, are sorted by length and packed together; default 1024. */
  readonly window?: number;
}

/**
 * Endless batches [B, T] of documents that share rows. A document of n tokens takes n − 1 places, each with the token after
 * it as its target; no target is of another document. Segments number a row's documents from 1; 0 is padding, whose targets
 * are −1 and whose weights 0. A document is divided only where it has more than T + 1 tokens, at every T. Rows are filled
 * first fit, longest first; each epoch has them in an order of its own. Batch n is a function of the seed and n alone.
 * For models whose attention has `packing`.
 * Memory is that of some numbers a document. @throws {RangeError} where an option is out of range, or there are fewer rows than B.
 */
export function packedBatches({ seed, ...options }: PackedBatchesOptions): Batches {
  assertCount('seed', seed, 0);
  const { context, batch } = options, { count, batchOf } = packedRows(options), perEpoch = Math.floor(count / batch);
  if (perEpoch === 0) throw new RangeError(`packedBatches: batch must be at most the number of rows that the documents fill (${count}), got ${batch}`);
  let known: { readonly epoch: number; readonly order: Int32Array } | undefined;
  return endless([batch, context], (step) => {
    assertCount('step', step, 0);
    const epoch = Math.floor(step / perEpoch), first = (step % perEpoch) * batch;
    if (known?.epoch !== epoch) known = { epoch, order: shuffledOrder(count, seed, epoch) };
    return batchOf(known.order.subarray(first, first + batch));
  });
}

/** Every token of every document once, but their first ones. */
export function packedEvaluation(options: Omit<PackedBatchesOptions, 'seed'>): EvaluationBatches {
  const { context, batch } = options, { count, predictions, batchOf } = packedRows(options);
  return finite([batch, context], Math.ceil(count / batch), predictions, (index) => batchOf(Int32Array.from({ length: Math.min(batch, count - index * batch) }, (_, row) => index * batch + row)));
}

/**
 * Rows of parts of documents. Part p is of document `document[p]` and begins at its token `place[p]` · T; row r has the
 * parts `order[first[r]]` to `order[first[r + 1] − 1]`.
 */
function packedRows({ documents: given, context, batch, window = 1024 }: Omit<PackedBatchesOptions, 'seed'>) {
  assertCount('context', context, 1);
  assertCount('batch', batch, 1);
  assertCount('window', window, 1);
  const documents = tokenDocuments(given), { lengths } = documents;
  let parts = 0, predictions = 0;
  for (const length of lengths) {
    predictions += Math.max(0, length - 1);
    parts += Math.ceil(Math.max(0, length - 1) / context);
  }
  const document = new Uint32Array(parts), place = new Uint32Array(parts), order = new Uint32Array(parts), first = new Uint32Array(parts + 1);
  const lengthOf = (part: number): number => Math.min(context, lengths[document[part]!]! - 1 - place[part]! * context);
  let part = 0, placed = 0, count = 0;
  const close = (row: readonly number[]): void => {
    order.set(row, placed);
    first[++count] = placed += row.length;
  };
  for (let begin = 0; begin < lengths.length; begin += window) {
    const rest: number[] = [], open: { readonly row: number[]; left: number }[] = [];
    for (let number = begin; number < Math.min(begin + window, lengths.length); number++) for (let at = 0; at * context < lengths[number]! - 1; at++) {
      document[part] = number;
      place[part] = at;
      // What fills a row by itself would come first, and into no other.
      if (lengthOf(part) === context) close([part]);
      else rest.push(part);
      part++;
    }
    for (const one of rest.sort((a, b) => lengthOf(b) - lengthOf(a))) {
      let found = open.find(({ left }) => left >= lengthOf(one));
      if (!found) open.push(found = { row: [], left: context });
      found.row.push(one);
      found.left -= lengthOf(one);
    }
    for (const { row } of open) close(row);
  }

  const batchOf = (rows: Int32Array): WeightedBatch => {
    const size = batch * context, tokens = new Int32Array(size), targets = new Int32Array(size).fill(-1), weights = new Float32Array(size), segments = new Int32Array(size);
    for (const [row, number] of rows.entries()) {
      let at = row * context;
      for (const [i, part] of order.subarray(first[number], first[number + 1]).entries()) {
        const length = lengthOf(part), read = new Int32Array(length + 1);
        documents.at(document[part]!).read(place[part]! * context, read);
        tokens.set(read.subarray(0, length), at);
        targets.set(read.subarray(1), at);
        weights.fill(1, at, at + length);
        segments.fill(i + 1, at, at + length);
        at += length;
      }
    }
    return { tokens, targets, weights, segments, shape: [batch, context] };
  };
  return { count, predictions, batchOf };
}

import { assertCount, endless, type Batches } from './batches.js';
import { finite, type EvaluationBatches, type WeightedBatch } from './evaluation-batches.js';
import { rowsInOrder, shuffledRows } from './length-buckets.js';
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
  const { context, batch } = options, rows = packedRows(options);
  if (rows.count < batch) throw new RangeError(`packedBatches: batch must be at most the number of rows that the documents fill (${rows.count}), got ${batch}`);
  const rowsAt = shuffledRows({ lengths: rows.lengths, longest: context, batch, seed });
  return endless([batch, context], (step) => rows.batchOf(rowsAt(step).examples));
}

/** Every token of every document once, but their first ones. */
export function packedEvaluation(options: Omit<PackedBatchesOptions, 'seed'>): EvaluationBatches {
  const { context, batch } = options, rows = packedRows(options), batches = rowsInOrder({ lengths: rows.lengths, longest: context, batch });
  return finite([batch, context], batches.length, rows.predictions, (index) => rows.batchOf(batches[index]!.examples));
}

/** Rows of parts of documents. Part p is of document `document[p]`, from token `start[p]` on; row r has the parts `order[first[r]]` to `order[first[r + 1] − 1]`. */
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
  const document = new Uint32Array(parts), start = new Float64Array(parts), order = new Uint32Array(parts), first: number[] = [0];
  const lengthOf = (part: number): number => Math.min(context, lengths[document[part]!]! - 1 - start[part]!);
  for (let part = 0, placed = 0, begin = 0; begin < lengths.length; begin += window) {
    const firstPart = part, open: { readonly row: number[]; left: number }[] = [];
    for (let number = begin; number < Math.min(begin + window, lengths.length); number++) for (let at = 0; at < lengths[number]! - 1; at += context) {
      document[part] = number;
      start[part++] = at;
    }
    for (const one of Array.from({ length: part - firstPart }, (_, i) => firstPart + i).sort((a, b) => lengthOf(b) - lengthOf(a))) {
      let place = open.find(({ left }) => left >= lengthOf(one));
      if (!place) open.push(place = { row: [], left: context });
      place.row.push(one);
      place.left -= lengthOf(one);
    }
    for (const { row } of open) {
      order.set(row, placed);
      first.push(placed += row.length);
    }
  }

  const batchOf = (rows: readonly number[]): WeightedBatch => {
    const size = batch * context, tokens = new Int32Array(size), targets = new Int32Array(size).fill(-1), weights = new Float32Array(size), segments = new Int32Array(size);
    for (const [row, number] of rows.entries()) {
      let at = row * context;
      for (const [i, part] of order.subarray(first[number], first[number + 1]).entries()) {
        const length = lengthOf(part), read = new Int32Array(length + 1);
        documents.at(document[part]!).read(start[part]!, read);
        tokens.set(read.subarray(0, length), at);
        targets.set(read.subarray(1), at);
        weights.fill(1, at, at + length);
        segments.fill(i + 1, at, at + length);
        at += length;
      }
    }
    return { tokens, targets, weights, segments, shape: [batch, context] };
  };
  return { count: first.length - 1, lengths: new Uint32Array(first.length - 1).fill(context), predictions, batchOf };
}

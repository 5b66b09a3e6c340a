import { assertCount, endless, type Batches } from './batches.js';
import { finite, type EvaluationBatches, type WeightedBatch } from './evaluation-batches.js';
import { rowsInOrder, shuffledRows } from './length-buckets.js';

export interface PackedBatchesOptions {
  /** Texts of their own as tokens, at least two each; with the tokens that begin and end them, where the model is to learn those. */
  readonly documents: readonly Uint32Array[];
  /** Tokens a row (T). */
  readonly context: number;
  /** Rows a batch (B). */
  readonly batch: number;
  /** Any safe integer from 0. */
  readonly seed: number;
  /** How many documents, one after the other, are sorted by length and packed together; default 1024. */
  readonly window?: number;
}

/** Part of a document: the tokens from `start` to `start + length` − 1, each of which has one to predict. */
interface Piece { readonly document: Uint32Array; readonly start: number; readonly length: number }

/**
 * Endless batches [B, T] of documents that share rows. A document of n tokens takes n − 1 places, each with the token after
 * it as its target; no target is of another document. Segments number a row's documents from 1; 0 is padding, whose targets
 * are −1 and whose weights 0. A document is divided only where it has more than T + 1 tokens, at every T. Rows are filled
 * first fit, longest first; each epoch has them in an order of its own. Batch n is a function of the seed and n alone.
 * For models whose attention has `packing`.
 * @throws {RangeError} where an option is out of range, a document has fewer than two tokens, or there are fewer rows than B.
 */
export function packedBatches({ seed, ...options }: PackedBatchesOptions): Batches {
  const { context, batch } = options, rows = packedRows(options);
  if (rows.length < batch) throw new RangeError(`packedBatches: batch must be at most the number of rows that the documents fill (${rows.length}), got ${batch}`);
  const rowsAt = shuffledRows({ lengths: rows.map(() => context), longest: context, batch, seed });
  return endless([batch, context], (step) => packed(rowsAt(step).examples.map((row) => rows[row]!), batch, context));
}

/** Every token of every document once, but their first ones. */
export function packedEvaluation(options: Omit<PackedBatchesOptions, 'seed'>): EvaluationBatches {
  const { documents, context, batch } = options, rows = packedRows(options), batches = rowsInOrder({ lengths: rows.map(() => context), longest: context, batch });
  return finite([batch, context], batches.length, documents.reduce((sum, { length }) => sum + length - 1, 0), (index) => packed(batches[index]!.examples.map((row) => rows[row]!), batch, context));
}

function packedRows({ documents, context, batch, window = 1024 }: Omit<PackedBatchesOptions, 'seed'>): Piece[][] {
  assertCount('context', context, 1);
  assertCount('batch', batch, 1);
  assertCount('window', window, 1);
  const short = documents.findIndex(({ length }) => length < 2);
  if (short >= 0) throw new RangeError(`packedBatches: a document must have at least 2 tokens, and document ${short} has ${documents[short]!.length}`);
  const rows: Piece[][] = [];
  for (let first = 0; first < documents.length; first += window) {
    const open: { readonly row: Piece[]; left: number }[] = [];
    for (const piece of documents.slice(first, first + window).flatMap((document) => piecesOf(document, context)).sort((a, b) => b.length - a.length)) {
      let place = open.find(({ left }) => left >= piece.length);
      if (!place) open.push(place = { row: [], left: context });
      place.row.push(piece);
      place.left -= piece.length;
    }
    rows.push(...open.map(({ row }) => row));
  }
  return rows;
}

const piecesOf = (document: Uint32Array, context: number): Piece[] =>
  Array.from({ length: Math.ceil((document.length - 1) / context) }, (_, i) => ({ document, start: i * context, length: Math.min(context, document.length - 1 - i * context) }));

function packed(rows: readonly (readonly Piece[])[], batch: number, context: number): WeightedBatch {
  const size = batch * context, tokens = new Int32Array(size), targets = new Int32Array(size).fill(-1), weights = new Float32Array(size), segments = new Int32Array(size);
  for (const [row, pieces] of rows.entries()) {
    let at = row * context;
    for (const [number, { document, start, length }] of pieces.entries()) {
      tokens.set(document.subarray(start, start + length), at);
      targets.set(document.subarray(start + 1, start + length + 1), at);
      weights.fill(1, at, at + length);
      segments.fill(number + 1, at, at + length);
      at += length;
    }
  }
  return { tokens, targets, weights, segments, shape: [batch, context] };
}

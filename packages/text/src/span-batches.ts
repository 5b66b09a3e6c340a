import { assertCount, endless, type Batch, type Batches } from './batches.js';
import { rowDraws } from './counter-random.js';
import { finite, type EvaluationBatches } from './evaluation-batches.js';
import { spanStream } from './length-buckets.js';
import { pairRows, type TokenPair } from './pair-batches.js';

export interface SpanOptions {
  /** The tokens that stand for hidden spans, the first for the first; none of them may be in the text. T5's run down from the last of its vocabulary. */
  readonly sentinels: readonly number[];
  /** The token that stands before each target, and the one that ends sources and targets. */
  readonly begin: number;
  readonly end: number;
  readonly seed: number;
  /** The share of a row's tokens that is hidden; default 0.15. */
  readonly share?: number;
  /** The mean length of a hidden span; default 3. */
  readonly meanSpan?: number;
}

/** Of a row of so many tokens: how many are hidden, in how many spans, and the tokens of its source and of its target. */
export function spanLengths(length: number, { share = 0.15, meanSpan = 3 }: Pick<SpanOptions, 'share' | 'meanSpan'> = {}): { readonly hidden: number; readonly spans: number; readonly source: number; readonly target: number } {
  const hidden = Math.max(1, Math.round(share * length)), spans = Math.min(Math.max(1, Math.round(hidden / meanSpan)), length - hidden + 1);
  return { hidden, spans, source: length - hidden + spans + 1, target: hidden + spans + 1 };
}

/**
 * Batches for an encoder-decoder that learns the hidden spans of a text. Of a row of L tokens n = share · L are hidden, in
 * n / meanSpan spans that do not touch, both rounded and at least one. The source [B, L − n + spans + 1] has a sentinel for
 * each span, and `end`; the target [B, n + spans + 1] has each sentinel with what it hides, and `end`; tokens are `begin` and
 * the target but its last. What is drawn is a function of (seed, step, row). Raffel et al. 2020, arXiv 1910.10683, 3.1.4.
 * @throws {RangeError} where an option is out of range, or a row has more spans than there are sentinels.
 */
export function spanBatches(batches: Batches, options: SpanOptions): Batches {
  const { shape, corrupt } = corruption(batches.shape, options), [B, L] = batches.shape;
  return endless(shape, (step) => {
    const { sourcePadding: _, ...batch } = corrupt(batches.batchAt(step), step, () => L, B);
    return batch;
  });
}

/** The same of a text that is read once (`evaluationBatches`): always the same spans are hidden. `predictions` counts the tokens of targets, sentinels and ends included. */
export function spanEvaluation(batches: EvaluationBatches, options: SpanOptions): EvaluationBatches {
  const { shape, corrupt, targetLength } = corruption(batches.shape, options), [B, L] = batches.shape, { predictions: tokens } = batches;
  const predictions = Math.floor(tokens / L) * targetLength(L) + (tokens % L === 0 ? 0 : targetLength(tokens % L));
  return finite(shape, batches.count, predictions, (index) => {
    const left = tokens - index * B * L, made = corrupt(batches.batchAt(index), index, (row) => Math.min(L, left - row * L), Math.min(B, Math.ceil(left / L)));
    return { ...made, weights: Float32Array.from(made.targets, (target) => (target < 0 ? 0 : 1)) };
  });
}

function corruption([B, L]: Batches['shape'], { sentinels, begin, end, seed, share = 0.15, meanSpan = 3 }: SpanOptions) {
  assertCount('seed', seed, 0);
  if (!(share > 0 && share <= 1)) throw new RangeError(`spanBatches: share must be above 0 and at most 1, got ${share}`);
  if (!(meanSpan >= 1)) throw new RangeError(`spanBatches: meanSpan must be at least 1, got ${meanSpan}`);
  const countsOf = (length: number) => spanLengths(length, { share, meanSpan });
  const { spans, source: sourceLength, target: length } = countsOf(L), sizes = { batch: B, sourceLength, length, begin, end };
  if (spans > sentinels.length) throw new RangeError(`spanBatches: rows of ${L} tokens have ${spans} hidden spans, and there are ${sentinels.length} sentinels; give as many, or a smaller share or a greater meanSpan`);

  const pairOf = (text: Int32Array, step: number, row: number): TokenPair => {
    const below = rowDraws(seed, step, row, spanStream), { hidden, spans } = countsOf(text.length), source: number[] = [], target: number[] = [];
    // Span i ends where so many tokens are hidden, and stands before a kept token of its own, or after all.
    const ends = [...distinctBelow(hidden - 1, spans - 1, below).map((place) => place + 1), hidden], places = distinctBelow(text.length - hidden + 1, spans, below);
    let at = 0;
    places.forEach((kept, span) => {
      const begun = ends[span - 1] ?? 0, start = kept + begun, stop = kept + ends[span]!;
      source.push(...text.subarray(at, start), sentinels[span]!);
      target.push(sentinels[span]!, ...text.subarray(start, stop));
      at = stop;
    });
    source.push(...text.subarray(at), end);
    return { source: Uint32Array.from(source), target: Uint32Array.from(target) };
  };
  return {
    shape: [B, sizes.length] as const,
    targetLength: (tokens: number): number => countsOf(tokens).target,
    corrupt: ({ tokens }: Batch, step: number, lengthOf: (row: number) => number, rows: number) =>
      pairRows(Array.from({ length: rows }, (_, row) => pairOf(tokens.subarray(row * L, row * L + lengthOf(row)), step, row)), sizes),
  };
}

/** Different whole numbers from 0 to `limit` − 1 in ascending order, every such set as likely as another (Floyd's way). */
function distinctBelow(limit: number, count: number, below: (limit: number) => number): number[] {
  const drawn = new Set<number>();
  for (let last = limit - count; last < limit; last++) {
    const one = below(last + 1);
    drawn.add(drawn.has(one) ? last : one);
  }
  return [...drawn].sort((a, b) => a - b);
}

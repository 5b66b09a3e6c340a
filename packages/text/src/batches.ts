import { randomBelow } from './counter-random.js';
import { tokenSource, type TokenSource, type Tokens } from './token-source.js';

/** A training or evaluation batch. */
export interface Batch {
  /** Shape [B, T]. */
  readonly tokens: Int32Array;
  /** What is to be said of each token, [B, T], such as the token that follows; or of each row, [B], such as its class. A negative one does not count. */
  readonly targets: Int32Array;
  /** Shape of `targets`: 1 where the prediction counts, 0 at padding. Absent where all count. */
  readonly weights?: Float32Array;
  /** [B, T]. */
  readonly shape: readonly [batch: number, context: number];
  /** Shape [B, T]: 1 where a token is padding. Absent where none is. */
  readonly padding?: Uint32Array;
  /** Shape [B, T]: the number of each token's document, where a row has several. */
  readonly segments?: Int32Array;
  /** Of pairs: the tokens of what is read, [B, S], where `tokens` are those of what is written. */
  readonly source?: Int32Array;
  /** Shape [B, S]: 1 where a token of the source is padding. Absent where none is. */
  readonly sourcePadding?: Uint32Array;
}

/** Batches by number and in order. */
export interface Batches extends AsyncIterable<Batch> {
  /** [B, T]; of rows of different lengths, the longest. */
  readonly shape: readonly [batch: number, context: number];
  batchAt(step: number): Batch;
}

export interface BatchesOptions {
  readonly tokens: Tokens;
  /** Tokens a row (T). */
  readonly context: number;
  /** Rows a batch (B). */
  readonly batch: number;
  /** Any safe integer from 0. */
  readonly seed: number;
  /** The step at which iteration begins; default 0. */
  readonly start?: number;
}

/**
 * Endless random batches: each row starts at a place drawn uniformly from all N − T, from (seed, step, row) alone.
 * `batchAt(n)` gives the batch that iteration gives at step n, so a resumed run sees the same batches.
 *
 * @throws TextTooShortError where the text has fewer than context + 1 tokens.
 */
export function batches({ tokens, context, batch, seed, start = 0 }: BatchesOptions): Batches {
  const source = tokenSource(tokens);
  assertCount('context', context, 1);
  assertCount('batch', batch, 1);
  assertCount('seed', seed, 0);
  assertCount('start', start, 0);
  if (source.length < context + 1) throw new TextTooShortError(source.length, context);
  const places = source.length - context;

  const batchAt = (step: number): Batch => {
    assertCount('step', step, 0);
    return gather(source, context, Array.from({ length: batch }, (_, row) => randomBelow(places, seed, step, row)));
  };
  return endless([batch, context], batchAt, start);
}

/** Batches without end, from a function of their number. */
export const endless = (shape: Batches['shape'], batchAt: (step: number) => Batch, start = 0): Batches => ({
  shape, batchAt,
  async *[Symbol.asyncIterator]() {
    for (let step = start; ; step++) yield batchAt(step);
  },
});

/** The text is shorter than one row and the token after it. */
export class TextTooShortError extends Error {
  override readonly name = 'TextTooShortError';
  constructor(readonly tokens: number, readonly context: number) {
    super(`batches: a context of ${context} needs a text of at least ${context + 1} tokens, got ${tokens}; use a longer text or a smaller context`);
  }
}

function gather(source: TokenSource, context: number, starts: readonly number[]): Batch {
  const tokens = new Int32Array(starts.length * context);
  const targets = new Int32Array(starts.length * context);
  const row = new Int32Array(context + 1);
  starts.forEach((start, index) => {
    source.read(start, row);
    tokens.set(row.subarray(0, context), index * context);
    targets.set(row.subarray(1), index * context);
  });
  return { tokens, targets, shape: [starts.length, context] };
}

/** Throws a RangeError unless `value` is a safe integer of at least `least`. */
export function assertCount(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) throw new RangeError(`batches: ${name} must be a whole number from ${least}, got ${value}`);
}

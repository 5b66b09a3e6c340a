import { endless, type Batches } from './batches.js';
import { finite, type EvaluationBatches } from './evaluation-batches.js';
import { rowsInOrder, shuffledRows, type BucketRows } from './length-buckets.js';

/** What is read and what is to be written. */
export interface TokenPair { readonly source: Uint32Array; readonly target: Uint32Array }

export interface PairBatchesOptions {
  readonly pairs: readonly TokenPair[];
  /** The longest source in tokens (S). */
  readonly sourceContext: number;
  /** The longest target in tokens, with the one that begins it (T). */
  readonly context: number;
  /** Rows a batch (B). */
  readonly batch: number;
  /** Any safe integer from 0. */
  readonly seed: number;
  /** The token that stands before each target, and the one that ends it. */
  readonly begin: number;
  readonly end: number;
}

/**
 * Endless batches of pairs of similar length, padded to the same: source [B, S]; tokens [B, T], `begin` and the target;
 * targets [B, T], the target and `end`, −1 at padding. Batch n is a function of the seed and n alone.
 * @throws {RangeError} where a pair is longer, naming it.
 */
export function pairBatches({ seed, ...options }: PairBatchesOptions): Batches {
  const { batch, context } = options, rowsAt = shuffledRows({ ...bucketed(options), seed });
  return endless([batch, context], (step) => padded(options, rowsAt(step)));
}

/** Every pair once. `predictions` counts the tokens of targets, ends included. */
export function pairEvaluation(options: Omit<PairBatchesOptions, 'seed'>): EvaluationBatches {
  const { batch, context, pairs } = options, rows = rowsInOrder(bucketed(options));
  return finite([batch, context], rows.length, pairs.reduce((sum, { target }) => sum + target.length + 1, 0), (index) => {
    const made = padded(options, rows[index]!);
    return { ...made, weights: Float32Array.from(made.targets, (target) => (target < 0 ? 0 : 1)) };
  });
}

type Options = Omit<PairBatchesOptions, 'seed'>;

function bucketed({ pairs, sourceContext, context, batch }: Options): { lengths: number[]; longest: number; batch: number } {
  const check = (what: string, name: string, limit: number, lengthOf: (pair: TokenPair) => number): void => {
    const number = pairs.findIndex((pair) => lengthOf(pair) > limit || lengthOf(pair) < 1);
    if (number >= 0) throw new RangeError(`pairBatches: a ${what} must have 1 to ${limit} tokens (${name}), and pair ${number} has ${lengthOf(pairs[number]!)}`);
  };
  check('source', 'sourceContext', sourceContext, ({ source }) => source.length);
  check('target with the token that begins it', 'context', context, ({ target }) => target.length + 1);
  return { lengths: pairs.map(({ source, target }) => Math.max(source.length, target.length + 1)), longest: Math.max(sourceContext, context), batch };
}

const padded = ({ pairs, sourceContext, context, batch, begin, end }: Options, { examples, length }: BucketRows) =>
  pairRows(examples.map((example) => pairs[example]!), { batch, sourceLength: Math.min(length, sourceContext), length: Math.min(length, context), begin, end });

/** Pairs as a batch: source [B, sourceLength], tokens and targets [B, length]. */
export function pairRows(rows: readonly TokenPair[], { batch, sourceLength, length, begin, end }: Pick<Options, 'batch' | 'begin' | 'end'> & { readonly sourceLength: number; readonly length: number }) {
  const source = new Int32Array(batch * sourceLength), sourcePadding = new Uint32Array(batch * sourceLength).fill(1);
  const tokens = new Int32Array(batch * length).fill(end), targets = new Int32Array(batch * length).fill(-1);
  for (let row = 0; row < batch; row++) {
    // Rows that the last batches lack read the first pair, and write nothing.
    const pair = rows[row] ?? rows[0]!, at = row * length, from = row * sourceLength;
    source.set(pair.source, from);
    sourcePadding.fill(0, from, from + pair.source.length);
    if (row >= rows.length) continue;
    tokens[at] = begin;
    tokens.set(pair.target, at + 1);
    targets.set(pair.target, at);
    targets[at + pair.target.length] = end;
  }
  return { tokens, targets, shape: [batch, length] as const, source, sourcePadding };
}

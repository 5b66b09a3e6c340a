import { randomBelow } from './counter-random.js';
import { assertCount } from './batches.js';

/** Rows of a batch: numbers of examples of similar length. */
export interface BucketRows {
  readonly examples: readonly number[];
  /** To which the rows are padded. */
  readonly length: number;
}

interface Bucket { readonly length: number; readonly examples: readonly number[] }

const shortest = 6;
/** 6, 8, 12, 16, 24, 32, 48 …: lengths that at most a third of a row can lack. */
const longer = (length: number): number => (length % 3 === 0 ? (length / 3) * 4 : (length / 2) * 3);

/** Streams of random numbers beside those of `batches`. */
export const orderStream = 1, windowStream = 2, maskStream = 3, spanStream = 4;

/** Examples by length: those up to 6 together, up to 8, 12, 16, 24 and so on, up to `longest`; buckets of fewer than `least` are joined to the next longer one, the last to the one before. */
function bucketsOf(lengths: readonly number[], longest: number, least: number): Bucket[] {
  const buckets: { length: number; examples: number[] }[] = [];
  for (let length = Math.min(shortest, longest); ; length = Math.min(longer(length), longest)) {
    buckets.push({ length, examples: [] });
    if (length === longest) break;
  }
  lengths.forEach((length, example) => buckets.find((bucket) => bucket.length >= Math.min(length, longest))!.examples.push(example));
  for (let i = 0; i + 1 < buckets.length;) {
    if (buckets[i]!.examples.length >= least) { i++; continue; }
    buckets[i + 1]!.examples.push(...buckets[i]!.examples);
    buckets.splice(i, 1);
  }
  const last = buckets.at(-1)!, before = buckets.at(-2);
  if (before && last.examples.length < least) {
    buckets.splice(-2, 2, { length: last.examples.length === 0 ? before.length : last.length, examples: [...before.examples, ...last.examples] });
  }
  return buckets.map(({ length, examples }) => ({ length, examples: examples.sort((a, b) => a - b) }));
}

/** The numbers from 0 to `count` − 1 in an order drawn from (seed, epoch). */
export function shuffledOrder(count: number, seed: number, epoch: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const other = randomBelow(i + 1, seed, epoch, i, orderStream);
    [order[i], order[other]] = [order[other]!, order[i]!];
  }
  return order;
}

export interface BucketOptions {
  /** Of each example; what is longer than `longest` counts as that. */
  readonly lengths: readonly number[];
  readonly longest: number;
  /** Rows a batch (B). */
  readonly batch: number;
}

/**
 * Endless batches of examples of similar length. Each epoch goes through all in an order of its own, drawn from (seed,
 * epoch); what does not fill a batch is left for another epoch. Batch n is a function of the seed and n alone.
 * @throws {RangeError} where there are fewer examples than rows.
 */
export function shuffledRows({ lengths, longest, batch, seed }: BucketOptions & { readonly seed: number }): (step: number) => BucketRows {
  assertCount('seed', seed, 0);
  assertCount('batch', batch, 1);
  assertCount('context', longest, 1);
  if (lengths.length < batch) throw new RangeError(`batches: batch must be at most the number of examples (${lengths.length}), got ${batch}`);
  const buckets = bucketsOf(lengths, longest, batch), bucketOf = new Int32Array(lengths.length);
  buckets.forEach(({ examples }, number) => { for (const example of examples) bucketOf[example] = number; });
  const perEpoch = buckets.reduce((sum, { examples }) => sum + Math.floor(examples.length / batch), 0);
  let known: { readonly epoch: number; readonly rows: readonly BucketRows[] } | undefined;

  const epochRows = (epoch: number): readonly BucketRows[] => {
    const open: number[][] = buckets.map(() => []), rows: BucketRows[] = [];
    for (const example of shuffledOrder(lengths.length, seed, epoch)) {
      const number = bucketOf[example]!;
      if (open[number]!.push(example) < batch) continue;
      rows.push({ examples: open[number]!, length: buckets[number]!.length });
      open[number] = [];
    }
    return rows;
  };
  return (step) => {
    assertCount('step', step, 0);
    const epoch = Math.floor(step / perEpoch);
    if (known?.epoch !== epoch) known = { epoch, rows: epochRows(epoch) };
    return known.rows[step % perEpoch]!;
  };
}

/** Every example once, shorter ones first, none padded beyond the longest that there is; the last batch of each length may have fewer rows. */
export function rowsInOrder({ lengths, longest, batch }: BucketOptions): readonly BucketRows[] {
  assertCount('batch', batch, 1);
  assertCount('context', longest, 1);
  let longestThere = 1;
  for (const length of lengths) longestThere = Math.max(longestThere, length);
  return bucketsOf(lengths, Math.min(longest, longestThere), batch).flatMap(({ length, examples }) => Array.from({ length: Math.ceil(examples.length / batch) }, (_, i) => ({ length, examples: examples.slice(i * batch, (i + 1) * batch) })));
}

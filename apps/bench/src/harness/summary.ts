import { median } from 'simple-statistics';

/** Median and spread of repeated measurements. */
export interface Summary {
  readonly median: number;
  /** Holds the true median in at least 95 of 100 cases, whatever the distribution; of fewer than 6 measurements: all of them. */
  readonly low: number;
  readonly high: number;
  readonly least: number;
  readonly most: number;
  readonly count: number;
}

/** Throws on no measurement at all, and on one that is not a finite number. */
export function summarize(values: readonly number[]): Summary {
  if (values.length === 0) throw new Error('summarize: at least one measurement is needed, got none');
  const bad = values.find((value) => !Number.isFinite(value));
  if (bad !== undefined) throw new Error(`summarize: measurements must be finite, got ${bad}`);
  const sorted = values.toSorted((a, b) => a - b), outside = intervalRank(sorted.length);
  return {
    median: median(sorted), low: sorted[outside]!, high: sorted[sorted.length - 1 - outside]!,
    least: sorted[0]!, most: sorted.at(-1)!, count: sorted.length,
  };
}

/**
 * How many of the smallest, and as many of the largest, of `count` values lie outside a 95 % interval of the median:
 * with k outside, the interval misses where at most k of `count` fair coins show heads, or tails.
 */
function intervalRank(count: number): number {
  let ways = 1, tail = 0, rank = 0;
  for (let k = 0; k < count / 2; k++) {
    tail += ways / 2 ** count;
    if (2 * tail > 0.05) break;
    rank = k;
    ways *= (count - k) / (k + 1);
  }
  return rank;
}

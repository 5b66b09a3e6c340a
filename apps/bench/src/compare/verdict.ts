/**
 * Whether two versions of a case differ in speed, from pairs of processes that ran in turns.
 *
 * Two processes of the same program differ by some per cent for as long as they live (where their memory lies, which
 * code the engine made), so rounds within a process are no independent measurements: each pair of processes gives one
 * number. Rounds are timed next to each other, in an order that changes, so that a machine that gets slower slows both.
 */
import { quantile } from 'simple-statistics';
import { summarize, type Summary } from '../harness/summary.js';

/** How a ratio of two times is judged. */
export interface VerdictOptions {
  /** Smaller changes are none, such as 0.04 for 4 %. */
  readonly threshold: number;
  /** Greatest probability of so one-sided a sample where there is no change. */
  readonly significance: number;
}

export const defaultVerdict: VerdictOptions = { threshold: 0.04, significance: 0.02 };

/** Pairs of processes in a measurement: fewest with which a change can be significant, and then some. */
export const defaultPairs = 8;

export interface Change {
  /** Time of the second divided by time of the first: median of the pairs, with its spread. */
  readonly ratio: Summary;
  /** Of the signed-rank test of the logarithms of the ratios against no change. */
  readonly probability: number;
  readonly direction: 'slower' | 'faster' | 'none';
}

/**
 * Time of the second process of a pair over that of the first, from the times of their rounds. What else a machine
 * does only adds to a time, so a process is as fast as its fast rounds: the 10 % quantile.
 */
export const pairRatio = (first: readonly number[], second: readonly number[]): number => quantile([...second], 0.1) / quantile([...first], 0.1);

/** Judges the ratios of pairs of processes, each the time of the second over that of the first. */
export function judgeRatios(ratios: readonly number[], { threshold, significance }: VerdictOptions = defaultVerdict): Change {
  const ratio = summarize(ratios), probability = signedRankProbability(ratios.map(Math.log)), change = Math.abs(Math.log(ratio.median));
  const real = probability <= significance && change > Math.log1p(threshold);
  return { ratio, probability, direction: !real ? 'none' : ratio.median > 1 ? 'slower' : 'faster' };
}

/**
 * Both measurements together: a change is one that the second, made by itself after the first showed it, shows again
 * in the same direction.
 */
export const confirmed = (first: Change, second: Change): Change => (first.direction === second.direction ? second : { ...second, direction: 'none' });

/**
 * Two-sided probability of a signed-rank sum as far from its mean as that of `values`, where positive and negative are
 * alike. Exact, by counting the sign patterns of the ranks (Wilcoxon 1945); equal sizes share their ranks, zeros count
 * half each way.
 */
export function signedRankProbability(values: readonly number[]): number {
  const sizes = values.map(Math.abs), ranks = sizes.map((size) => sizes.filter((other) => other < size).length + (sizes.filter((other) => other === size).length + 1) / 2);
  const total = ranks.reduce((sum, rank) => sum + rank, 0);
  const positive = values.reduce((sum, value, i) => sum + (value > 0 ? ranks[i]! : value === 0 ? ranks[i]! / 2 : 0), 0);
  // ways.get(s): sign patterns whose positive ranks sum up to s; sums are whole numbers of halves.
  let ways = new Map([[0, 1]]);
  for (const rank of ranks) {
    const next = new Map(ways);
    for (const [sum, count] of ways) next.set(sum + rank, (next.get(sum + rank) ?? 0) + count);
    ways = next;
  }
  const distance = Math.abs(positive - total / 2);
  let extreme = 0;
  for (const [sum, count] of ways) if (Math.abs(sum - total / 2) >= distance - 1e-9) extreme += count;
  return extreme / 2 ** values.length;
}

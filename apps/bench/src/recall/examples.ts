/** Multi-query associative recall: a list of key–value pairs, then keys of it, to each of which its value must be said. Arora et al. 2023, arXiv 2312.04927. */
import { randomBelow } from '@ashlar/text';

export interface RecallTask {
  /** V: keys are 1 … V/2 − 1, values V/2 … V − 1; 0 stands where nothing is asked. */
  readonly vocabulary: number;
  /** T, tokens of an example. */
  readonly length: number;
  /** Pairs at its beginning, each asked for once. */
  readonly pairs: number;
}

export interface RecallExamples {
  readonly count: number;
  /** [count, T] */
  readonly tokens: Int32Array;
  /** [count, T]: the value at a key that is asked for, −1 elsewhere. */
  readonly targets: Int32Array;
}

/** Exponent of the distances: queries soon after the pairs are likelier, p(gap) ∝ gap^(a − 1) with a = 0.01. */
const power = 0.01;

/** @throws {RangeError} where the pairs and their queries do not fit. */
function checkRecallTask({ vocabulary, length, pairs }: RecallTask): void {
  if (vocabulary % 2 !== 0) throw new RangeError(`recall: half of the vocabulary are keys and half values, so it must be even, got ${vocabulary}`);
  if (length % 2 !== 0 || 4 * pairs > length) throw new RangeError(`recall: the length must be even and at least four times the pairs (${pairs}), got ${length}`);
  if (pairs > vocabulary / 2 - 1) throw new RangeError(`recall: ${pairs} pairs need as many keys, and a vocabulary of ${vocabulary} has ${vocabulary / 2 - 1}; give a larger one`);
}

/** Examples, each from (seed, its number) alone. */
export function recallExamples(task: RecallTask, count: number, seed: number): RecallExamples {
  checkRecallTask(task);
  const { vocabulary, length, pairs } = task, half = vocabulary / 2, places = (length - 2 * pairs) / 2;
  const weights = Float64Array.from({ length: places }, (_, i) => (i + 1) ** (power - 1));
  const tokens = new Int32Array(count * length), targets = new Int32Array(count * length).fill(-1);
  for (let example = 0; example < count; example++) {
    let drawn = 0;
    const below = (limit: number): number => randomBelow(limit, seed, example, drawn++);
    const keys = distinct(pairs, half - 1, below).map((key) => key + 1), values = distinct(pairs, half, below).map((value) => value + half);
    const gaps = distinctByWeight(pairs, weights, () => below(2 ** 32) / 2 ** 32), start = example * length;
    for (let i = 0; i < pairs; i++) {
      tokens[start + 2 * i] = keys[i]!;
      tokens[start + 2 * i + 1] = values[i]!;
      const at = start + 2 * pairs + 2 * gaps[i]!;
      tokens[at] = keys[i]!;
      targets[at] = values[i]!;
    }
  }
  return { count, tokens, targets };
}

/** Different whole numbers from 0 to `limit` − 1. */
function distinct(count: number, limit: number, below: (limit: number) => number): number[] {
  const all = Array.from({ length: limit }, (_, i) => i);
  return Array.from({ length: count }, (_, i) => {
    const j = i + below(limit - i);
    [all[i], all[j]] = [all[j]!, all[i]!];
    return all[i]!;
  });
}

/** Different numbers of places, drawn one after the other by weight. */
function distinctByWeight(count: number, weights: Float64Array, uniform: () => number): number[] {
  const left = weights.slice();
  return Array.from({ length: count }, () => {
    const total = left.reduce((sum, weight) => sum + weight, 0);
    let rest = uniform() * total, at = left.findIndex((weight) => (rest -= weight) < 0);
    if (at < 0) at = left.findLastIndex((weight) => weight > 0);
    left[at] = 0;
    return at;
  });
}

import { readFileSync } from 'node:fs';
import { expect, describe, it, test } from 'vitest';
import { confirmed, defaultPairs, judgeRatios, pairRatio, signedRankProbability, type Change } from './verdict.js';

/** Numbers in [0, 1) that are the same in every run. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x45d9f3b);
    return ((z ^ (z >>> 16)) >>> 0) / 2 ** 32;
  };
}
const normal = (next: () => number): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());

describe('the signed-rank test', () => {
  /** Two-sided probabilities of rank sums W by published tables (Wilcoxon's matched-pairs test). */
  it.each([
    [[1, 2, 3, 4, 5], 0.0625], [[1, 2, 3, 4, 5, 6], 0.03125], [[-1, 2, 3, 4, 5, 6], 0.0625], [[1, 2, 3, 4, 5, 6, 7, 8], 0.0078125],
    [[1, -2, 3, 4, 5, 6, 7, 8], 0.0234375], [[-1, -2, 3, 4, 5, 6, 7, 8], 0.0390625], [[1, -2, 3, -4], 0.625 + 0.25],
  ])('of %j is %f', (values, probability) => {
    expect(signedRankProbability(values)).toBeCloseTo(probability, 10);
    expect(signedRankProbability(values.map((value) => -value))).toBeCloseTo(probability, 10);
  });

  it('is fair: no change is called one as often as it says', () => {
    const next = random(5);
    let called = 0;
    for (let i = 0; i < 4000; i++) if (signedRankProbability(Array.from({ length: 8 }, () => normal(next))) <= 0.02) called++;
    expect(called / 4000).toBeLessThan(0.025);
    expect(called / 4000).toBeGreaterThan(0.01);
  });
});

test('small changes are none, however sure they are', () => {
  const ratios = (around: number): number[] => Array.from({ length: 8 }, (_, i) => around * (1 + (i - 3.5) * 1e-4));
  expect(judgeRatios(ratios(1.03))).toMatchObject({ direction: 'none', probability: 0.0078125 });
  expect(judgeRatios(ratios(1.05)).direction).toBe('slower');
  expect(judgeRatios(ratios(1 / 1.05)).direction).toBe('faster');
  expect(judgeRatios(ratios(1.03), { threshold: 0.02, significance: 0.02 }).direction).toBe('slower');
});

test('a change is one that a second measurement shows again, in the same direction', () => {
  const change = (direction: Change['direction']): Change => ({ ...judgeRatios([1, 1, 1, 1, 1, 1]), direction });
  expect(confirmed(change('slower'), change('slower')).direction).toBe('slower');
  for (const second of ['none', 'faster'] as const) expect(confirmed(change('slower'), change(second)).direction).toBe('none');
});

/** What the command does with a case: a measurement, and a second one where the first shows a change. */
function verdictOf(measure: () => number[]): Change['direction'] {
  const first = judgeRatios(measure());
  return first.direction === 'none' ? 'none' : confirmed(first, judgeRatios(measure())).direction;
}

/**
 * A pair of processes of equal programs on a machine of some mood: each has a speed of its own for life, rounds are
 * disturbed now and then, and the machine drifts while they run in turns. `slowed` is the true ratio.
 */
function pair(next: () => number, turn: number, { process, round, spikes, drift }: { process: number; round: number; spikes: number; drift: number }, slowed: number): number {
  const speed = [Math.exp(process * normal(next)), slowed * Math.exp(process * normal(next))] as const, times: [number[], number[]] = [[], []];
  let clock = 0;
  for (let i = 0; i < 15; i++) for (const side of (turn + i) % 2 === 0 ? [0, 1] as const : [1, 0] as const) {
    const spike = next() < spikes ? 1 + next() : 1;
    times[side].push(speed[side] * Math.exp(round * Math.abs(normal(next))) * spike * (1 + drift * clock++ / 30));
  }
  return pairRatio(...times);
}

const moods = {
  quiet: { process: 0.01, round: 0.01, spikes: 0.02, drift: 0 },
  drifting: { process: 0.01, round: 0.02, spikes: 0.02, drift: 0.3 },
  busy: { process: 0.025, round: 0.15, spikes: 0.4, drift: 0.1 },
} as const;

describe.each(Object.entries(moods))('on a %s machine', (_, mood) => {
  const measuring = (seed: number, slowed: number) => {
    const next = random(seed);
    return () => Array.from({ length: defaultPairs }, (__, turn) => pair(next, turn, mood, slowed));
  };
  const share = (slowed: number, direction: Change['direction']): number => Array.from({ length: 500 }, (__, seed) => verdictOf(measuring(seed * 7919 + 1, slowed))).filter((one) => one === direction).length / 500;

  test('an unchanged program shows no change', () => expect(share(1, 'none')).toBe(1));
  test('10 % more time is seen as slower, 10 % less as faster', () => {
    expect(share(1.1, 'slower')).toBeGreaterThan(mood === moods.busy ? 0.7 : 0.99);
    expect(share(1 / 1.1, 'faster')).toBeGreaterThan(mood === moods.busy ? 0.7 : 0.99);
    expect(share(1.1, 'faster')).toBe(0);
  });
});

/** Times of pairs of processes of one program, first and second, as a machine with two cores gave them: 12 pairs of 20 rounds. */
const recorded = JSON.parse(readFileSync(new URL('./test/recorded-noise.json', import.meta.url), 'utf8')) as Record<string, [number[], number[]][]>;

describe.each(Object.entries(recorded))('with the recorded noise of %s', (_, pairs) => {
  /** Eight of the pairs, by chance; which of the two is called the first changes too. */
  const measuring = (seed: number, slowed: number) => {
    const next = random(seed);
    return () => pairs.map((times) => [next(), times] as const).toSorted((a, b) => a[0] - b[0]).slice(0, defaultPairs)
      .map(([order, [a, b]]) => (order < 0.5 ? pairRatio(a, b.map((ms) => ms * slowed)) : pairRatio(b, a.map((ms) => ms * slowed))));
  };
  test('20 of 20 tries find no change, and 20 of 20 find 10 %', () => {
    for (let seed = 1; seed <= 20; seed++) {
      expect(verdictOf(measuring(seed, 1))).toBe('none');
      expect(verdictOf(measuring(seed, 1.1))).toBe('slower');
    }
  });
});

import { expect, it } from 'vitest';
import { summarize } from './summary.js';

it('takes the median of an odd and an even number of measurements', () => {
  expect(summarize([3, 1, 10])).toEqual({ median: 3, low: 1, high: 10, least: 1, most: 10, count: 3 });
  expect(summarize([4, 1, 2, 100])).toMatchObject({ median: 3, least: 1, most: 100, count: 4 });
});

/** Ranks of the 95 % interval of a median as tables of the sign test have them: the k-th smallest and largest. */
it.each([[5, 1], [6, 1], [8, 1], [9, 2], [11, 2], [12, 3], [15, 4], [20, 6], [25, 8], [40, 14]])('of %i measurements the interval begins at number %i', (count, rank) => {
  const { low, high } = summarize(Array.from({ length: count }, (_, i) => i + 1));
  expect([low, high]).toEqual([rank, count + 1 - rank]);
});

it('refuses no measurements, and ones that are no number', () => {
  expect(() => summarize([])).toThrow('at least one measurement');
  expect(() => summarize([1, NaN])).toThrow('got NaN');
});

import { expect, it } from 'vitest';
import { summarize } from './summary.js';

it('takes the median of an odd and an even number of measurements', () => {
  expect(summarize([3, 1, 10])).toEqual({ median: 3, least: 1, most: 10, count: 3 });
  expect(summarize([4, 1, 2, 100])).toEqual({ median: 3, least: 1, most: 100, count: 4 });
});

it('refuses no measurements, and ones that are no number', () => {
  expect(() => summarize([])).toThrow('at least one measurement');
  expect(() => summarize([1, NaN])).toThrow('got NaN');
});

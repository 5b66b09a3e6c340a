import { describe, expect, test } from 'vitest';
import { arange } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { and, blockLayout, blockLocal, causal, dilatedWindow, fixedPattern, globalTokens, not, or, prefixLm, reaching, slidingWindow, strided, symmetricWindow, type Mask } from '../index.js';

/** Whether each of T queries sees each of T keys. */
async function grid(mask: Mask, T: number): Promise<boolean[][]> {
  const seen = await mask({ b: arange(1).reshape([1, 1, 1, 1]), h: arange(1).reshape([1, 1, 1, 1]), q: arange(T).reshape([1, 1, T, 1]), k: arange(T).reshape([1, 1, 1, T]) }).broadcastTo([1, 1, T, T]).data(reference());
  return Array.from({ length: T }, (_, q) => Array.from({ length: T }, (_, k) => seen[q * T + k] === 1));
}
const counts = async (mask: Mask, T: number): Promise<number[]> => (await grid(mask, T)).map((row) => row.filter(Boolean).length);
const T = 9;

/** Visible keys of each of 9 queries, counted by hand. */
const byHand: readonly [string, Mask, number[]][] = [
  ['causal', causal, [1, 2, 3, 4, 5, 6, 7, 8, 9]],
  ['slidingWindow, 1 key', slidingWindow(1), [1, 1, 1, 1, 1, 1, 1, 1, 1]],
  ['slidingWindow, 3 keys', slidingWindow(3), [1, 2, 3, 3, 3, 3, 3, 3, 3]],
  ['slidingWindow, T keys', slidingWindow(9), [1, 2, 3, 4, 5, 6, 7, 8, 9]],
  ['slidingWindow, more than T', slidingWindow(20), [1, 2, 3, 4, 5, 6, 7, 8, 9]],
  ['symmetricWindow, 1 key', symmetricWindow(1), [1, 1, 1, 1, 1, 1, 1, 1, 1]],
  ['symmetricWindow, 5 keys', symmetricWindow(5), [3, 4, 5, 5, 5, 5, 5, 4, 3]],
  ['symmetricWindow, T keys', symmetricWindow(9), [5, 6, 7, 8, 9, 8, 7, 6, 5]],
  ['symmetricWindow, more than T', symmetricWindow(99), [9, 9, 9, 9, 9, 9, 9, 9, 9]],
  ['blockLocal, 1', blockLocal(1), [1, 1, 1, 1, 1, 1, 1, 1, 1]],
  ['blockLocal, 4', blockLocal(4), [4, 4, 4, 4, 4, 4, 4, 4, 1]],
  ['blockLocal, T', blockLocal(9), [9, 9, 9, 9, 9, 9, 9, 9, 9]],
  ['blockLocal, more than T', blockLocal(16), [9, 9, 9, 9, 9, 9, 9, 9, 9]],
  ['blockLocal and causal', and(causal, blockLocal(4)), [1, 2, 3, 4, 1, 2, 3, 4, 1]],
  ['dilatedWindow, 1 key', dilatedWindow({ windowKeys: 1, dilation: 3 }), [1, 1, 1, 1, 1, 1, 1, 1, 1]],
  ['dilatedWindow', dilatedWindow({ windowKeys: 3, dilation: 2 }), [1, 1, 2, 2, 3, 3, 3, 3, 3]],
  ['dilatedWindow, beyond T', dilatedWindow({ windowKeys: 9, dilation: 4 }), [1, 1, 1, 1, 2, 2, 2, 2, 3]],
  ['globalTokens', globalTokens(2), [9, 9, 2, 2, 2, 2, 2, 2, 2]],
  ['globalTokens, all', globalTokens(12), [9, 9, 9, 9, 9, 9, 9, 9, 9]],
  ['window or global', and(causal, or(slidingWindow(2), globalTokens(1))), [1, 2, 3, 3, 3, 3, 3, 3, 3]],
  ['prefixLm', prefixLm(4), [4, 4, 4, 4, 5, 6, 7, 8, 9]],
  ['prefixLm, longer than T', prefixLm(10), [9, 9, 9, 9, 9, 9, 9, 9, 9]],
  ['strided, 3', strided({ stride: 3 }), [1, 2, 3, 4, 4, 4, 5, 5, 5]],
  ['strided, 1', strided({ stride: 1 }), [1, 2, 3, 4, 5, 6, 7, 8, 9]],
  ['fixedPattern', fixedPattern({ stride: 3 }), [1, 2, 3, 2, 3, 4, 3, 4, 5]],
  ['fixedPattern, two', fixedPattern({ stride: 4, summary: 2 }), [1, 2, 3, 4, 3, 4, 5, 6, 5]],
  ['blockLayout', blockLayout([[1, 0, 1], [0, 1, 0], [1, 1, 1]], 3), [6, 6, 6, 3, 3, 3, 9, 9, 9]],
  ['not', not(causal), [8, 7, 6, 5, 4, 3, 2, 1, 0]],
];

test.each(byHand)('%s: visible keys of each row', async (_, mask, expected) => { expect(await counts(mask, T)).toEqual(expected); });

test.each(byHand.filter(([, { reach }]) => reach !== undefined))('%s keeps its promise of a reach', async (_, mask) => {
  (await grid(mask, 23)).forEach((row, q) => row.forEach((seen, k) => { if (seen) expect(q - k >= 0 && q - k < mask.reach!, `${q} sees ${k}`).toBe(true); }));
});

describe('places', () => {
  test('every query of a window sees itself; a dilated one sees its own residue', async () => {
    (await grid(dilatedWindow({ windowKeys: 3, dilation: 2 }), T)).forEach((row, q) => row.forEach((seen, k) => { expect(seen).toBe(k <= q && q - k <= 4 && (q - k) % 2 === 0); }));
    (await grid(strided({ stride: 4 }), 17)).forEach((row, q) => row.forEach((seen, k) => { expect(seen).toBe(k <= q && (q - k < 4 || (q - k) % 4 === 0)); }));
    (await grid(fixedPattern({ stride: 4, summary: 1 }), 17)).forEach((row, q) => row.forEach((seen, k) => { expect(seen).toBe(k <= q && (Math.floor(q / 4) === Math.floor(k / 4) || k % 4 === 3)); }));
  });
  test('reach is known through combinations, and forgotten where it cannot be', () => {
    expect([causal.reach, slidingWindow(4).reach, dilatedWindow({ windowKeys: 3, dilation: 2 }).reach, blockLocal(3).reach]).toEqual([Infinity, 4, 5, undefined]);
    expect([and(causal, slidingWindow(4)).reach, and(blockLocal(2), causal).reach, or(slidingWindow(4), slidingWindow(7)).reach, or(slidingWindow(4), globalTokens(1)).reach, not(causal).reach]).toEqual([4, Infinity, 7, undefined, undefined]);
    expect(reaching(3, ({ q, k }) => q.eq(k)).reach).toBe(3);
  });
});

test('what cannot be is refused', () => {
  expect(() => slidingWindow(0)).toThrow('slidingWindow: windowKeys must be a whole number from 1, got 0');
  expect(() => symmetricWindow(4)).toThrow('symmetricWindow: windowKeys must be odd (as many on either side, and itself), got 4');
  expect(() => fixedPattern({ stride: 3, summary: 4 })).toThrow('fixedPattern: summary must be at most the stride (3), got 4');
  expect(() => blockLayout([[1], [1, 0]], 3)).toThrow('blockLayout: the matrix must have rows of one length, got lengths [1, 2]');
  expect(() => blockLayout([[1]], 3)({ b: arange(1), h: arange(1), q: arange(4), k: arange(3) })).toThrow('1 × 1 blocks of 3 do not cover 4 queries and 3 keys');
});

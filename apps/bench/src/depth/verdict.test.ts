import { expect, test } from 'vitest';
import { chainBatches, chainEntropy, uniformEntropy } from './chain.js';
import { judgeDepth } from './verdict.js';

test('verdicts', () => {
  const runs = (loss: number): number[] => [...new Array<number>(180).fill(3.4), ...new Array<number>(20).fill(loss)];
  expect(judgeDepth(runs(1.1))).toEqual({ verdict: 'trained', final: expect.closeTo(1.1, 9) });
  expect(judgeDepth(runs(3.4)).verdict).toBe('stalled');
  expect(judgeDepth(runs(9)).verdict).toBe('diverged');
  expect(judgeDepth([NaN, ...runs(1.1)]).verdict).toBe('diverged');
  expect(chainEntropy).toBeCloseTo(0.898, 3);
  expect(uniformEntropy).toBeCloseTo(3.4657, 4);
});

test('the chain follows its shares, and its walks the seed', () => {
  const { tokens, targets, shape } = chainBatches(1, 50, 200)(), counts = new Map<number, Map<number, number>>();
  expect(shape).toEqual([50, 200]);
  tokens.forEach((token, i) => {
    const after = counts.get(token) ?? counts.set(token, new Map()).get(token)!;
    after.set(targets[i]!, (after.get(targets[i]!) ?? 0) + 1);
    if (i % 200 < 199) expect(targets[i]).toBe(tokens[i + 1]);
  });
  let entropy = 0;
  for (const after of counts.values()) {
    const total = [...after.values()].reduce((sum, count) => sum + count, 0);
    expect(after.size).toBeLessThanOrEqual(3);
    for (const count of after.values()) entropy -= (count / tokens.length) * Math.log(count / total);
  }
  expect(entropy).toBeLessThan(chainEntropy + 0.01);
  expect(entropy).toBeGreaterThan(chainEntropy - 0.15);
  expect(chainBatches(2, 2, 20)().tokens).not.toEqual(chainBatches(1, 2, 20)().tokens);
  expect(chainBatches(1, 2, 20)().tokens).toEqual(chainBatches(1, 2, 20)().tokens);
});

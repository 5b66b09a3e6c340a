import { describe, expect, test } from 'vitest';
import { sample } from './sampling.js';

const logits = [1.5, -0.3, 2.2, 0.1, -4, 2.1];

/** Probabilities by the definition: softmax(logits / temperature), cut to the top K, renormalised, cut to the nucleus P, renormalised. */
function expected(temperature: number, topK = logits.length, topP = 1): number[] {
  const exponentials = logits.map((logit) => Math.exp(logit / temperature));
  const ranks = [...exponentials.keys()].sort((a, b) => exponentials[b]! - exponentials[a]!);
  let kept = ranks.slice(0, topK);
  const total = kept.reduce((sum, id) => sum + exponentials[id]!, 0);
  let mass = 0;
  kept = kept.filter((id) => {
    const isIn = mass < topP;
    mass += exponentials[id]! / total;
    return isIn;
  });
  const rest = kept.reduce((sum, id) => sum + exponentials[id]!, 0);
  return logits.map((_, id) => (kept.includes(id) ? exponentials[id]! / rest : 0));
}

/** How often each token comes when the uniform number runs evenly over 0 to 1. */
function shares(options: Parameters<typeof sample>[1], draws = 20_000): number[] {
  const counts = logits.map(() => 0);
  for (let i = 0; i < draws; i++) counts[sample(logits, options, (i + 0.5) / draws)]!++;
  return counts.map((count) => count / draws);
}

describe('sample', () => {
  test.each([
    [1, undefined, undefined], [0.5, undefined, undefined], [3, undefined, undefined],
    [1, 3, undefined], [1, 1, undefined], [0.7, undefined, 0.8], [1, 4, 0.6], [1, undefined, 0.01], [1, 99, 1],
  ])('temperature %d, top K %s, top P %s: each token as often as its probability says', (temperature, topK, topP) => {
    const found = shares({ temperature, ...(topK === undefined ? {} : { topK }), ...(topP === undefined ? {} : { topP }) });
    expected(temperature, topK, topP).forEach((probability, id) => expect(Math.abs(found[id]! - probability)).toBeLessThan(1e-4));
  });

  test('temperature 0 takes the most likely, of equals the first', () => {
    expect(sample(logits, { temperature: 0 }, 0.99)).toBe(2);
    expect(sample([1, 5, 5], { temperature: 0 }, 0.99)).toBe(1);
  });

  test('logits far apart do not overflow', () => {
    expect(sample([1e30, -1e30, 0], { temperature: 0.01 }, 0.5)).toBe(0);
    expect(sample([-Infinity, 3, -Infinity], { temperature: 1 }, 0.9999)).toBe(1);
  });

  test('a logit that is no number is never drawn', () => {
    expect(sample([NaN, 1], { temperature: 1 }, 0)).toBe(1);
    expect(() => sample([NaN, NaN], { temperature: 1 }, 0)).toThrow('no logit is a number');
  });

  test.each([[{ temperature: -1 }, 'temperature'], [{ temperature: 1, topK: 0 }, 'topK'], [{ temperature: 1, topK: 1.5 }, 'topK'], [{ temperature: 1, topP: 0 }, 'topP'], [{ temperature: 1, topP: 1.01 }, 'topP']])('refuses %j', (options, name) => {
    expect(() => sample(logits, options, 0.5)).toThrow(`sample: ${name}`);
  });
});

import { describe, expect, test } from 'vitest';
import { checkSampling, distribution, draw, keepMinP, keepTopK, keepTopP, keepTypical, penalizeRepetition, softmax, type SamplingOptions } from './index.js';

/** Logits of these probabilities. */
const logitsOf = (...probabilities: number[]): Float32Array => Float32Array.from(probabilities, (p) => Math.log(p) + 3);
const probabilities = (logits: Float32Array): number[] => [...softmax(logits)];
const after = (logits: Float32Array, act: (logits: Float32Array) => void): number[] => { act(logits); return probabilities(logits); };
const expectClose = (got: ArrayLike<number>, wanted: readonly number[]): void => {
  expect(got.length).toBe(wanted.length);
  wanted.forEach((value, i) => expect(got[i]!, `token ${i}`).toBeCloseTo(value, 6));
};

describe('each filter leaves the distribution worked out by hand', () => {
  test('temperature: powers of the probabilities', () => {
    expectClose(distribution(logitsOf(0.5, 0.25, 0.25), { temperature: 0.5 }, []), [4 / 6, 1 / 6, 1 / 6]);
    expectClose(distribution(logitsOf(0.64, 0.16, 0.2), { temperature: 2 }, []), [0.8, 0.4, Math.sqrt(0.2)].map((root) => root / (1.2 + Math.sqrt(0.2))));
  });
  test('top K, with what is as likely as the last', () => {
    expectClose(after(logitsOf(0.1, 0.4, 0.2, 0.3), (logits) => keepTopK(logits, 2)), [0, 4 / 7, 0, 3 / 7]);
    expectClose(after(logitsOf(0.25, 0.5, 0.25), (logits) => keepTopK(logits, 2)), [0.25, 0.5, 0.25]);
    expectClose(after(logitsOf(0.25, 0.5, 0.25), (logits) => keepTopK(logits, 9)), [0.25, 0.5, 0.25]);
  });
  test.each([[0.3, [0, 1, 0, 0]], [0.41, [0, 4 / 7, 0, 3 / 7]], [0.75, [0, 4 / 9, 2 / 9, 3 / 9]], [0.95, [0.1, 0.4, 0.2, 0.3]], [1, [0.1, 0.4, 0.2, 0.3]]])('the nucleus of %d', (p, wanted) => {
    expectClose(after(logitsOf(0.1, 0.4, 0.2, 0.3), (logits) => keepTopP(logits, p)), wanted);
  });
  test('min P counts from the most likely', () => {
    expectClose(after(logitsOf(0.1, 0.4, 0.19, 0.31), (logits) => keepMinP(logits, 0.5)), [0, 40 / 71, 0, 31 / 71]);
    expectClose(after(logitsOf(0.1, 0.4, 0.19, 0.31), (logits) => keepMinP(logits, 0.2)), [0.1, 0.4, 0.19, 0.31]);
  });
  test('typical: what is nearest to the entropy comes first, not what is most likely', () => {
    // The entropy of (0.6, 0.2, 0.1, 0.1) is 1.0889: distances 0.578, 0.520, 1.214, 1.214.
    expectClose(after(logitsOf(0.6, 0.2, 0.1, 0.1), (logits) => keepTypical(logits, 0.15)), [0, 1, 0, 0]);
    expectClose(after(logitsOf(0.6, 0.2, 0.1, 0.1), (logits) => keepTypical(logits, 0.5)), [0.75, 0.25, 0, 0]);
    expectClose(after(logitsOf(0.6, 0.2, 0.1, 0.1), (logits) => keepTypical(logits, 0.85)), [6 / 9, 2 / 9, 1 / 9, 0]);
  });
  test('repetition: each token of the text once, whatever the sign', () => {
    const logits = Float32Array.of(2, -2, 1, 0.5);
    penalizeRepetition(logits, [0, 1, 1, 0], 2);
    expect([...logits]).toEqual([1, -4, 1, 0.5]);
  });
});

describe('the filters together', () => {
  test('act in the order that is documented', () => {
    // Penalty first: 4/2 = 2 no longer leads; then temperature 1/2; then the 3 most likely; then the nucleus of those.
    const logits = Float32Array.of(4, 3, 2.5, 1), options: SamplingOptions = { repetitionPenalty: 2, temperature: 0.5, topK: 3, topP: 0.7 };
    const weights = [Math.exp(4), Math.exp(6), Math.exp(5), Math.exp(2)];
    // Of 3 (weights e⁴, e⁶, e⁵): e⁶ makes up 0.665 and e⁶ + e⁵ 0.909 of the sum, so 2 tokens stay.
    expectClose(distribution(logits, options, [0]), [0, weights[1]! / (weights[1]! + weights[2]!), weights[2]! / (weights[1]! + weights[2]!), 0]);
  });
  test('temperature 0 takes the most likely after the penalty, of equals the first', () => {
    expect([...distribution(Float32Array.of(1, 5, 5), { temperature: 0 }, [])]).toEqual([0, 1, 0]);
    expect([...distribution(Float32Array.of(1, 5, 4), { temperature: 0, repetitionPenalty: 2 }, [1])]).toEqual([0, 0, 1]);
  });
  test('logits far apart do not overflow; what is no number is never drawn', () => {
    expectClose(distribution(Float32Array.of(1e38, -1e38, 0), { temperature: 0.01 }, []), [1, 0, 0]);
    expectClose(distribution(Float32Array.of(NaN, 1, -Infinity), {}, []), [0, 1, 0]);
    expect(() => distribution(Float32Array.of(NaN, -Infinity), {}, [])).toThrow('no token is possible');
  });
  test('every option changes the result', () => {
    const plain = [...distribution(logitsOf(0.6, 0.2, 0.1, 0.1), {}, [0])];
    for (const options of [{ repetitionPenalty: 2 }, { temperature: 0.5 }, { topK: 1 }, { topP: 0.5 }, { minP: 0.5 }, { typical: 0.5 }]) expect([...distribution(logitsOf(0.6, 0.2, 0.1, 0.1), options, [0])], JSON.stringify(options)).not.toEqual(plain);
  });
  test.each<[SamplingOptions, string]>([[{ temperature: -1 }, 'temperature must be a number from 0, got -1'], [{ topK: 0 }, 'topK'], [{ topK: 1.5 }, 'topK'], [{ topP: 0 }, 'topP'], [{ topP: 1.01 }, 'topP'], [{ minP: NaN }, 'minP'], [{ typical: 2 }, 'typical'], [{ repetitionPenalty: 0.5 }, 'repetitionPenalty must be a number from 1, got 0.5']])('refuses %j', (options, message) => {
    expect(() => checkSampling(options)).toThrow(`sampling: ${message}`);
  });
});

test('each token is drawn as often as its probability says', () => {
  const wanted = [0.1, 0, 0.4, 0.2, 0.3], counts = wanted.map(() => 0), draws = 10_000;
  for (let i = 0; i < draws; i++) counts[draw(wanted, (i + 0.5) / draws)]!++;
  expectClose(counts.map((count) => count / draws), wanted);
  expect(draw([0, 1, 0], 1 - 2 ** -53)).toBe(1);
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  batches, classifiedBatches, classifiedEvaluation, evaluationBatches, maskedBatches, maskedEvaluation, pairBatches, pairEvaluation, symbolTokenizer, symbolsOf, tokenizerFromJSON,
} from './index.js';

const text = (...tokens: number[]) => Uint32Array.from(tokens);
const rows = (data: ArrayLike<number>, length: number): number[][] => Array.from({ length: data.length / length }, (_, row) => Array.from({ length }, (_, i) => data[row * length + i]!));

describe('pairs', () => {
  const pairs = [{ source: text(1, 2), target: text(7) }, { source: text(3), target: text(8, 9) }], options = { pairs, sourceContext: 3, context: 4, batch: 2, begin: 20, end: 21 };

  test('a batch by hand: begin before the target, the end after it, padding marked', () => {
    const batch = pairEvaluation(options).batchAt(0);
    expect(rows(batch.source!, 3)).toEqual([[1, 2, 0], [3, 0, 0]]);
    expect(rows(batch.sourcePadding!, 3)).toEqual([[0, 0, 1], [0, 1, 1]]);
    expect(rows(batch.tokens, 3)).toEqual([[20, 7, 21], [20, 8, 9]]);
    expect(rows(batch.targets, 3)).toEqual([[7, 21, -1], [8, 9, 21]]);
    expect(rows(batch.weights, 3)).toEqual([[1, 1, 0], [1, 1, 1]]);
    expect(pairEvaluation(options).predictions).toBe(5);
  });

  test('a pair that is too long is refused by its number', () => {
    expect(() => pairBatches({ ...options, seed: 0, pairs: [...pairs, { source: text(1), target: text(1, 1, 1, 1) }] })).toThrow('a target with the token that begins it must have 1 to 4 tokens (context), and pair 2 has 5');
    expect(() => pairEvaluation({ ...options, pairs: [{ source: text(), target: text(1) }] })).toThrow('a source must have 1 to 3 tokens (sourceContext), and pair 0 has 0');
    expect(() => pairBatches({ ...options, seed: 0, batch: 3 })).toThrow('batch must be at most the number of examples (2), got 3');
  });

  test('an epoch has no pair twice, and lacks fewer than a batch of each length; the evaluation has all once', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 39 })), { minLength: 8, maxLength: 60 }), fc.integer({ min: 1, max: 8 }), fc.nat(), (lengths, batch, seed) => {
      const all = lengths.map(([S, T], i) => ({ source: new Uint32Array(S).fill(i + 1), target: new Uint32Array(T).fill(i + 1) }));
      const given = { pairs: all, sourceContext: 40, context: 40, batch, begin: 0, end: 100 }, endless = pairBatches({ ...given, seed }), whole = pairEvaluation(given);
      const firstOf = (one: { source?: Int32Array; targets: Int32Array }): number[] => rows(one.source!, one.source!.length / batch).map(([first]) => first!);
      const evaluated = Array.from({ length: whole.count }, (_, i) => whole.batchAt(i));
      const counted = evaluated.flatMap((one) => rows(one.targets, one.shape[1]).flatMap(([first]) => (first! > 0 ? [first!] : [])));
      expect(counted.sort((a, b) => a - b)).toEqual(all.map((_, i) => i + 1));
      expect(evaluated.reduce((sum, { weights }) => sum + weights.reduce((a, b) => a + b, 0), 0)).toBe(whole.predictions);
      // Seven lengths at most: 6, 8, 12, 16, 24, 32, 40.
      const least = Math.max(1, Math.floor(all.length / batch) - 7), epoch = Array.from({ length: least }, (_, i) => endless.batchAt(i)), seen = epoch.flatMap(firstOf);
      expect(new Set(seen).size).toBe(seen.length);
      for (const one of epoch) {
        expect(one.source!.length / batch).toBeLessThanOrEqual(40);
        for (const [r, row] of rows(one.source!, one.source!.length / batch).entries()) {
          const number = row[0]!, real = row.filter((_, i) => one.sourcePadding![r * row.length + i] === 0);
          expect(real).toEqual([...all[number - 1]!.source]);
          expect(rows(one.targets, one.shape[1])[r]!.filter((token) => token >= 0)).toEqual([...all[number - 1]!.target, 100]);
        }
      }
      expect(pairBatches({ ...given, seed }).batchAt(3)).toEqual(endless.batchAt(3));
    }), { numRuns: 25 });
  });
});

describe('classified texts', () => {
  const examples = [{ tokens: text(5, 6, 7), label: 2 }, { tokens: text(8), label: 0 }, { tokens: text(1, 2, 3, 4, 5, 6), label: 1 }];

  test('a batch by hand', () => {
    const evaluation = classifiedEvaluation({ examples, context: 4, batch: 2 }), [first, last] = [evaluation.batchAt(0), evaluation.batchAt(1)];
    expect([evaluation.count, evaluation.predictions]).toEqual([2, 3]);
    expect(rows(first!.tokens, 4)).toEqual([[5, 6, 7, 0], [8, 0, 0, 0]]);
    expect(rows(first!.padding!, 4)).toEqual([[0, 0, 0, 1], [0, 1, 1, 1]]);
    expect([...first!.targets, ...first!.weights]).toEqual([2, 0, 1, 1]);
    expect(rows(last!.tokens, 4)).toEqual([[1, 2, 3, 4], [0, 0, 0, 0]]);
    expect([...last!.weights]).toEqual([1, 0]);
  });

  test('a longer text gives windows from all its places', () => {
    const long = [{ tokens: text(1, 2, 3, 4, 5, 6), label: 1 }], endless = classifiedBatches({ examples: long, context: 4, batch: 1, seed: 3 });
    const starts = Array.from({ length: 60 }, (_, step) => endless.batchAt(step).tokens[0]!);
    expect(new Set(starts)).toEqual(new Set([1, 2, 3]));
    expect(endless.batchAt(7)).toEqual(classifiedBatches({ examples: long, context: 4, batch: 1, seed: 3 }).batchAt(7));
    expect(Array.from({ length: 60 }, (_, step) => classifiedBatches({ examples: long, context: 4, batch: 1, seed: 4 }).batchAt(step).tokens[0]!)).not.toEqual(starts);
  });
});

describe('masked tokens', () => {
  const tokens = Uint32Array.from({ length: 40_000 }, (_, i) => (i * 7) % 50), inner = batches({ tokens, context: 100, batch: 8, seed: 1 }), masked = maskedBatches(inner, { vocabularySize: 50, mask: 50, seed: 2 });

  test('15 of 100 are predicted; 80 % of those hidden, 10 % replaced, 10 % left', () => {
    let hidden = 0, replaced = 0, left = 0;
    for (let step = 0; step < 40; step++) {
      const plain = inner.batchAt(step), batch = masked.batchAt(step);
      expect(rows(batch.targets, 100).map((row) => row.filter((target) => target >= 0).length)).toEqual(Array(8).fill(15));
      // With what was hidden put back, all is as it was.
      expect(batch.tokens.map((token, at) => (batch.targets[at]! < 0 ? token : batch.targets[at]!))).toEqual(plain.tokens);
      batch.targets.forEach((target, at) => {
        if (target < 0) return;
        if (batch.tokens[at] === 50) hidden++;
        else if (batch.tokens[at] === target) left++;
        else replaced++;
      });
    }
    const all = hidden + replaced + left;
    expect(hidden / all).toBeCloseTo(0.8, 1.6);
    expect(replaced / all).toBeCloseTo(0.1 * 49 / 50, 1.6);
    expect(left / all).toBeCloseTo(0.1 + 0.1 / 50, 1.6);
  });

  test('steps, rows and seeds draw differently, and the same draw alike', () => {
    const places = (batch: { targets: Int32Array }): string => rows(batch.targets, 100).map((row) => row.map((target, i) => (target < 0 ? '' : i)).join('')).join();
    const other = maskedBatches(inner, { vocabularySize: 50, mask: 50, seed: 3 }).batchAt(0);
    expect(places(masked.batchAt(0))).toBe(places(maskedBatches(inner, { vocabularySize: 50, mask: 50, seed: 2 }).batchAt(0)));
    expect(new Set([masked.batchAt(0), masked.batchAt(1), other].map(places)).size).toBe(3);
    expect(new Set(places(masked.batchAt(0)).split(',')).size).toBe(8);
  });

  test('an evaluation predicts as many as it says, never padding', () => {
    fc.assert(fc.property(fc.integer({ min: 2, max: 70 }), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 3 }), (length, context, batch) => {
      const evaluation = maskedEvaluation(evaluationBatches({ tokens: new Uint32Array(length).fill(4), context, batch }), { vocabularySize: 5, mask: 5, seed: 1 });
      let sum = 0;
      for (let i = 0; i < evaluation.count; i++) {
        const { weights, targets, padding } = evaluation.batchAt(i);
        weights.forEach((weight, at) => {
          sum += weight;
          if (weight !== (targets[at]! >= 0 ? 1 : 0) || (padding![at] && weight)) throw new Error(`place ${at} must not count`);
        });
      }
      expect(sum).toBe(evaluation.predictions);
    }));
  });
});

describe('symbols', () => {
  test('what stands between spaces is a token', () => {
    const tokenizer = symbolTokenizer(symbolsOf(['HH AH L OW', 'W ER L D']));
    expect([...tokenizer.encode('L  OW')].map((id) => tokenizer.idToToken(id))).toEqual(['L', 'OW']);
    expect(tokenizer.decode(tokenizer.encode('HH ER D'))).toBe('HH ER D');
    expect(tokenizerFromJSON(tokenizer.toJSON()).toJSON()).toEqual(tokenizer.toJSON());
    expect(() => tokenizer.encode('L XX')).toThrow('no token for "XX"');
    expect(() => symbolTokenizer(['a', 'a'])).toThrow('symbols must be different');
    expect(() => symbolTokenizer(['a b'])).toThrow('without spaces');
  });
});

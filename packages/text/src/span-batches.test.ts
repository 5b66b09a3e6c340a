import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { batches, evaluationBatches, spanBatches, spanEvaluation, type Batch, type Batches } from './index.js';

/** Sentinels and marks stand above the text's tokens. */
const text = 1000, begin = 2000, end = 2001;
const options = (count = 200) => ({ sentinels: Array.from({ length: count }, (_, i) => 1999 - i), begin, end, seed: 5 });
const counting = (length: number): Uint32Array => Uint32Array.from({ length }, (_, i) => i % text);
const row = (data: ArrayLike<number>, number: number, length: number): number[] => Array.from({ length }, (_, i) => data[number * length + i]!);

/** A row's source and target without what pads them. */
function pairOf(batch: Batch, number: number): { source: number[]; target: number[]; tokens: number[] } {
  const [B, T] = batch.shape, S = batch.source!.length / B;
  return { source: row(batch.source!, number, S).filter((_, i) => !batch.sourcePadding?.[number * S + i]), target: row(batch.targets, number, T).filter((token) => token >= 0), tokens: row(batch.tokens, number, T) };
}

/** Puts the hidden spans back by reading alone: each sentinel of the source is what follows it in the target. */
function reconstructed(source: readonly number[], target: readonly number[]): { text: number[]; spans: number[][] } {
  const hidden = new Map<number, number[]>();
  let open: number[] = [];
  for (const token of target.slice(0, -1)) {
    if (token < text) open.push(token);
    else hidden.set(token, open = []);
  }
  return { text: source.slice(0, -1).flatMap((token) => (token < text ? [token] : hidden.get(token)!)), spans: [...hidden.values()] };
}

/** Batches whose rows are all 0, 1, 2 … */
function rowsOf(length: number, rows: number): Batches {
  const shape = [rows, length] as const, batchAt = (): Batch => ({ tokens: Int32Array.from({ length: rows * length }, (_, i) => i % length), targets: new Int32Array(rows * length), shape });
  return { shape, batchAt, async *[Symbol.asyncIterator]() { yield batchAt(); } };
}

const paperBatches = (seed: number) => {
  const made = spanBatches(rowsOf(10, 1), { ...options(), seed, share: 0.3, meanSpan: 1.5 });
  return Array.from({ length: 4000 }, (_, step) => ({ ...made.batchAt(step), source: made.batchAt(step).source! }));
};

describe('hidden spans', () => {
  test('the example of the paper: thank you for inviting me to your party last week', () => {
    // Words 0 to 9, of which 2, 3 ("for inviting") and 8 ("last") are hidden.
    const batch = paperBatches(1).find(({ source }) => source.join() === [0, 1, 1999, 4, 5, 6, 7, 1998, 9, end].join())!;
    expect(batch.targets).toEqual(Int32Array.of(1999, 2, 3, 1998, 8, end));
    expect(batch.tokens).toEqual(Int32Array.of(begin, 1999, 2, 3, 1998, 8));
    expect(batch.shape).toEqual([1, 6]);
    expect([batch.sourcePadding, batch.padding, batch.weights]).toEqual([undefined, undefined, undefined]);
  });

  test('where there is one way, it is taken', () => {
    const batch = spanBatches(rowsOf(3, 2), { ...options(), share: 0.7, meanSpan: 1 }).batchAt(8);
    expect([row(batch.source!, 1, 4), row(batch.targets, 1, 5)]).toEqual([[1999, 1, 1998, end], [1999, 0, 1998, 2, end]]);
  });

  test('of all 56 ways to hide 3 of 10 tokens in 2 spans, each is as likely as another; seeds draw apart', () => {
    const counts = new Map<string, number>(), seen = paperBatches(1).map(({ targets }) => targets.join());
    for (const one of seen) counts.set(one, (counts.get(one) ?? 0) + 1);
    expect(counts.size).toBe(56);
    // 4,000 draws, 71.4 each: χ² with 55 degrees of freedom is below 94 in 999 of 1,000.
    expect([...counts.values()].reduce((sum, count) => sum + (count - 4000 / 56) ** 2 / (4000 / 56), 0)).toBeLessThan(94);
    expect(paperBatches(2).map(({ targets }) => targets.join())).not.toEqual(seen);
    const { source } = spanBatches(rowsOf(100, 20), options()).batchAt(0);
    expect(new Set(Array.from({ length: 20 }, (_, number) => row(source!, number, source!.length / 20).join())).size).toBe(20);
  });

  test('568 tokens give sources of 512 and targets of 114, as T5 publishes', () => {
    const batch = spanBatches(batches({ tokens: counting(600), context: 568, batch: 2, seed: 1 }), options()).batchAt(0);
    expect([batch.source!.length / 2, batch.targets.length / 2]).toEqual([512, 114]);
  });

  test('source and target have the whole text between them; so many tokens are hidden, in so many spans that do not touch', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 1, max: 3 }), fc.double({ min: 0.01, max: 1, noNaN: true }), fc.double({ min: 1, max: 6, noNaN: true }), fc.nat(), fc.nat(1000), (context, batch, share, meanSpan, seed, step) => {
      const inner = batches({ tokens: counting(300), context, batch, seed: 1 }), given = { ...options(), seed, share, meanSpan }, made = spanBatches(inner, given).batchAt(step), plain = inner.batchAt(step);
      expect(spanBatches(inner, given).batchAt(step)).toEqual(made);
      for (let number = 0; number < batch; number++) {
        const { source, target, tokens } = pairOf(made, number), { text: whole, spans } = reconstructed(source, target);
        expect(whole).toEqual(row(plain.tokens, number, context));
        expect([source.at(-1), target.at(-1), tokens]).toEqual([end, end, [begin, ...target.slice(0, -1)]]);
        const hidden = Math.max(1, Math.round(share * context));
        expect(spans.flat().length).toBe(hidden);
        expect(spans.length).toBe(Math.min(Math.max(1, Math.round(hidden / meanSpan)), context - hidden + 1));
        expect(Math.min(...spans.map(({ length }) => length))).toBeGreaterThan(0);
        const marks = source.map((token, i) => (token >= text && token !== end ? i : -1)).filter((i) => i >= 0);
        expect(marks.map((i) => source[i])).toEqual(given.sentinels.slice(0, spans.length));
        marks.slice(1).forEach((mark, i) => expect(mark - marks[i]!).toBeGreaterThan(1));
      }
    }), { numRuns: 60 });
  });

  test('an evaluation has every token it is given, and predicts as many as it says', () => {
    fc.assert(fc.property(fc.integer({ min: 2, max: 90 }), fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 4 }), (length, context, batch) => {
      const evaluation = spanEvaluation(evaluationBatches({ tokens: counting(length), context, batch }), options()), all: number[] = [];
      let sum = 0;
      for (let index = 0; index < evaluation.count; index++) {
        const one = evaluation.batchAt(index);
        sum += one.weights.reduce((a, b) => a + b, 0);
        expect(one.shape).toEqual(evaluation.shape);
        for (let number = 0; number < batch; number++) {
          const { source, target } = pairOf(one, number);
          expect(source.length).toBeGreaterThan(0);
          if (target.length > 0) all.push(...reconstructed(source, target).text);
        }
      }
      expect(all).toEqual([...counting(length - 1)]);
      expect(sum).toBe(evaluation.predictions);
    }), { numRuns: 60 });
  });

  test('wrong options are refused', () => {
    const inner = batches({ tokens: counting(200), context: 100, batch: 1, seed: 1 });
    expect(() => spanBatches(inner, options(4))).toThrow('rows of 100 tokens have 5 hidden spans, and there are 4 sentinels');
    expect(() => spanBatches(inner, { ...options(), share: 0 })).toThrow('share must be above 0 and at most 1, got 0');
    expect(() => spanBatches(inner, { ...options(), meanSpan: 0.5 })).toThrow('meanSpan must be at least 1, got 0.5');
    expect(() => spanBatches(inner, { ...options(), seed: -1 })).toThrow('seed must be a whole number from 0, got -1');
  });
});

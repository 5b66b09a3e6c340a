import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { packedBatches, packedEvaluation, type Batch } from './index.js';

const rows = (data: ArrayLike<number>, length: number): number[][] => Array.from({ length: data.length / length }, (_, row) => Array.from({ length }, (_, i) => data[row * length + i]!));
const documents = [[10, 11, 12], [20, 21, 22, 23, 24], [30, 31], [40, 41, 42, 43], [50, 51, 52, 53, 54, 55, 56, 57, 58]].map((tokens) => Uint32Array.from(tokens));

/** What each document of each row is: its tokens, and its last target. */
function readBack({ tokens, targets, weights, segments, shape: [, T] }: Batch): number[][][] {
  const [tokenRows, targetRows, weightRows] = [tokens, targets, weights!].map((data) => rows(data, T)) as [number[][], number[][], number[][]];
  return rows(segments!, T).map((segmentRow, row) => {
    const found = new Map<number, number[]>();
    let before = 0;
    segmentRow.forEach((segment, i) => {
      const [token, target, weight] = [tokenRows[row]![i]!, targetRows[row]![i]!, weightRows[row]![i]!];
      if (segment === 0) { expect([token, target, weight]).toEqual([0, -1, 0]); before = Infinity; return; }
      // In order, and no padding before a document.
      expect(segment === before || segment === before + 1).toBe(true);
      expect(weight).toBe(1);
      before = segment;
      const one = found.get(segment) ?? [token];
      expect(one.at(-1)).toBe(token);
      one.push(target);
      found.set(segment, one);
    });
    return [...found.values()];
  });
}

describe('packed documents', () => {
  test('by hand: the longest first, each where it first fits; only what is longer than a row is divided', () => {
    // Places: 2, 4, 1, 3 and 8 = 6 + 2, in rows of 6.
    const batch = packedEvaluation({ documents, context: 6, batch: 3 }).batchAt(0);
    expect(rows(batch.tokens, 6)).toEqual([[50, 51, 52, 53, 54, 55], [20, 21, 22, 23, 10, 11], [40, 41, 42, 56, 57, 30]]);
    expect(rows(batch.targets, 6)).toEqual([[51, 52, 53, 54, 55, 56], [21, 22, 23, 24, 11, 12], [41, 42, 43, 57, 58, 31]]);
    expect(rows(batch.segments!, 6)).toEqual([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 2, 2], [1, 1, 1, 2, 2, 3]]);
    expect([...batch.weights]).toEqual(Array(18).fill(1));
    expect(packedEvaluation({ documents, context: 6, batch: 3 }).predictions).toBe(18);
  });

  test('padding by hand, and windows that are packed apart', () => {
    const evaluation = packedEvaluation({ documents: documents.slice(0, 4), context: 5, batch: 2, window: 2 });
    expect([evaluation.count, evaluation.predictions]).toEqual([2, 10]);
    const [first, last] = [evaluation.batchAt(0), evaluation.batchAt(1)];
    expect(rows(first.tokens, 5)).toEqual([[20, 21, 22, 23, 0], [10, 11, 0, 0, 0]]);
    expect(rows(first.targets, 5)).toEqual([[21, 22, 23, 24, -1], [11, 12, -1, -1, -1]]);
    expect(rows(first.weights, 5)).toEqual([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]]);
    expect(rows(last.tokens, 5)).toEqual([[40, 41, 42, 30, 0], [0, 0, 0, 0, 0]]);
    expect(rows(last.segments!, 5)).toEqual([[1, 1, 1, 2, 0], [0, 0, 0, 0, 0]]);
  });

  test('every prediction of every document once, none across two; an epoch has no row twice', () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 2, max: 40 }), { minLength: 1, maxLength: 50 }), fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 60 }), fc.nat(), (lengths, context, batch, window, seed) => {
      // Token 100 · document + place, so that what is read back says where it was.
      const all = lengths.map((length, i) => Uint32Array.from({ length }, (_, place) => 100 * (i + 1) + place)), evaluation = packedEvaluation({ documents: all, context, batch, window });
      const read = Array.from({ length: evaluation.count }, (_, i) => readBack(evaluation.batchAt(i))).flat(), pieces = read.flat().sort((a, b) => a[0]! - b[0]!);
      expect(pieces).toEqual(all.flatMap((document) => Array.from({ length: Math.ceil((document.length - 1) / context) }, (_, i) => [...document.subarray(i * context, (i + 1) * context + 1)])));
      expect(pieces.reduce((sum, piece) => sum + piece.length - 1, 0)).toBe(evaluation.predictions);
      const filled = read.filter((row) => row.length > 0);
      // First fit leaves no two rows of a window that would go into one.
      if (window >= lengths.length) {
        const places = filled.map((row) => row.reduce((sum, piece) => sum + piece.length - 1, 0)).sort((a, b) => a - b);
        if (places.length > 1) expect(places[0]! + places[1]!).toBeGreaterThan(context);
      }
      if (filled.length < batch) return;
      const endless = packedBatches({ documents: all, context, batch, window, seed }), epoch = Math.floor(filled.length / batch);
      const seen = Array.from({ length: epoch }, (_, step) => readBack(endless.batchAt(step))).flat().map((row) => row[0]![0]);
      expect(new Set(seen).size).toBe(epoch * batch);
      expect(packedBatches({ documents: all, context, batch, window, seed }).batchAt(epoch + 1)).toEqual(endless.batchAt(epoch + 1));
    }), { numRuns: 60 });
  });

  test('seeds and epochs have orders of their own', () => {
    const many = Array.from({ length: 40 }, (_, i) => Uint32Array.of(i, 1, 2)), firsts = (seed: number, from: number) => Array.from({ length: 10 }, (_, step) => packedBatches({ documents: many, context: 2, batch: 4, seed }).batchAt(from + step).tokens[0]);
    expect(firsts(1, 0)).not.toEqual(firsts(2, 0));
    expect(firsts(1, 0)).not.toEqual(firsts(1, 10));
  });

  test('wrong options are refused', () => {
    expect(() => packedBatches({ documents, context: 6, batch: 4, seed: 0 })).toThrow('batch must be at most the number of rows that the documents fill (3), got 4');
    expect(() => packedBatches({ documents, context: 6, batch: 1, seed: 0, window: 0 })).toThrow('window must be a whole number from 1, got 0');
  });
});

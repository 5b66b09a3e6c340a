import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { batches, evaluationBatches, philox, randomBelow, sliceTokens, split, tokenArray, TextTooShortError, type Batch } from './index.js';

const counting = (length: number) => Uint32Array.from({ length }, (_, i) => i);

async function take(source: AsyncIterable<Batch>, count: number): Promise<Batch[]> {
  const taken: Batch[] = [];
  for await (const batch of source) {
    taken.push(batch);
    if (taken.length === count) break;
  }
  return taken;
}

describe('batches', () => {
  test('rows are windows of the text, and the targets are one token further', () => {
    const batch = batches({ tokens: counting(500), context: 7, batch: 5, seed: 3 }).batchAt(11);
    expect(batch.shape).toEqual([5, 7]);
    expect(batch.weights).toBeUndefined();
    for (let row = 0; row < 5; row++) {
      for (let t = 0; t < 7; t++) {
        expect(batch.tokens[row * 7 + t]).toBe(batch.tokens[row * 7]! + t);
        expect(batch.targets[row * 7 + t]).toBe(batch.tokens[row * 7 + t]! + 1);
      }
    }
  });

  test('iteration, random access and resuming agree', async () => {
    const options = { tokens: counting(1000), context: 8, batch: 3, seed: 42 };
    const all = await take(batches(options), 6);
    expect(await take(batches({ ...options, start: 3 }), 3)).toEqual(all.slice(3));
    all.forEach((batch, step) => expect(batches(options).batchAt(step)).toEqual(batch));
  });

  test('seeds, steps and rows all matter', () => {
    const starts = (seed: number, step: number) => {
      const { tokens } = batches({ tokens: counting(100_000), context: 1, batch: 4, seed }).batchAt(step);
      return [...tokens].join();
    };
    const seen = [starts(0, 0), starts(1, 0), starts(2 ** 32, 0), starts(0, 1), starts(0, 2 ** 32)];
    expect(new Set(seen).size).toBe(seen.length);
    expect(new Set(starts(0, 0).split(',')).size).toBe(4);
  });

  test('the starts reach every place and are uniform', () => {
    const places = 10, drawn = Array.from({ length: places }, () => 0);
    const source = batches({ tokens: counting(places + 4), context: 4, batch: 100, seed: 1 });
    for (let step = 0; step < 100; step++) {
      const { tokens } = source.batchAt(step);
      for (let row = 0; row < 100; row++) drawn[tokens[row * 4]!]!++;
    }
    const chiSquare = drawn.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    expect(chiSquare).toBeLessThan(33.7); // 9 degrees of freedom, p = 1e-4
  });

  test('a text just long enough has one place; a shorter one is refused with both numbers', () => {
    expect([...batches({ tokens: counting(5), context: 4, batch: 2, seed: 0 }).batchAt(0).tokens]).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
    expect(() => batches({ tokens: counting(4), context: 4, batch: 2, seed: 0 })).toThrow(TextTooShortError);
    expect(() => batches({ tokens: counting(4), context: 4, batch: 2, seed: 0 })).toThrow('a context of 4 needs a text of at least 5 tokens, got 4');
  });

  test.each([['context', 0], ['batch', 1.5], ['seed', -1], ['start', NaN]])('refuses %s %d', (name, value) => {
    expect(() => batches({ tokens: counting(50), context: 4, batch: 2, seed: 0, [name]: value })).toThrow(`${name} must be a whole number`);
  });
});

describe('evaluationBatches', () => {
  test('every token but the first is predicted exactly once, after the tokens before it', () => {
    fc.assert(fc.property(fc.integer({ min: 2, max: 200 }), fc.integer({ min: 1, max: 17 }), fc.integer({ min: 1, max: 5 }), (length, context, batch) => {
      const source = evaluationBatches({ tokens: counting(length), context, batch });
      const predicted: number[] = [];
      let weight = 0;
      for (let index = 0; index < source.count; index++) {
        const { tokens, targets, weights } = source.batchAt(index);
        expect([tokens.length, targets.length, weights.length]).toEqual([batch * context, batch * context, batch * context]);
        weights.forEach((one, at) => {
          weight += one;
          if (one === 0) return;
          predicted.push(targets[at]!);
          expect(tokens[at]).toBe(targets[at]! - 1);
          if (at % context > 0) expect(tokens[at]).toBe(tokens[at - 1]! + 1);
        });
      }
      expect(predicted).toEqual(Array.from({ length: length - 1 }, (_, i) => i + 1));
      expect(weight).toBe(source.predictions);
    }));
  });

  test('iterates over its count, and refuses what is beyond', async () => {
    const source = evaluationBatches({ tokens: counting(22), context: 5, batch: 2 });
    expect(source.count).toBe(3);
    expect(await take(source, 99)).toHaveLength(3);
    expect(() => source.batchAt(3)).toThrow('from 0 to 2, got 3');
    expect(() => evaluationBatches({ tokens: counting(1), context: 5, batch: 2 })).toThrow('at least 2 tokens are needed to predict one, got 1');
  });
});

describe('token sources', () => {
  test('split keeps order and loses nothing', () => {
    const { train, validation } = split(counting(1003), { validation: 0.1 });
    expect([train.length, validation.length]).toEqual([902, 101]);
    const window = new Int32Array(2);
    train.read(900, window);
    expect([...window]).toEqual([900, 901]);
    validation.read(0, window);
    expect([...window]).toEqual([902, 903]);
    expect(() => train.read(901, window)).toThrow(RangeError);
    expect(split(counting(5), { validation: 0 }).validation.length).toBe(0);
  });

  test('split refuses fractions and texts that leave a side empty', () => {
    expect(() => split(counting(10), { validation: 1 })).toThrow('from 0 to below 1, got 1');
    expect(() => split(counting(10), { validation: NaN })).toThrow('got NaN');
    expect(() => split(counting(1), { validation: 0.5 })).toThrow('one side would be empty');
  });

  test('windows outside are refused', () => {
    const source = sliceTokens(tokenArray(counting(10)), 2, 8);
    const window = new Int32Array(3);
    source.read(3, window);
    expect([...window]).toEqual([5, 6, 7]);
    for (const start of [4, -1, 0.5]) expect(() => source.read(start, window)).toThrow(RangeError);
    expect(() => sliceTokens(tokenArray(counting(10)), 2, 11)).toThrow(RangeError);
  });
});

describe('philox', () => {
  test('the published known answers of Philox 4×32-10', () => {
    const hex = (words: readonly number[]) => words.map((word) => word.toString(16).padStart(8, '0')).join(' ');
    const ones = 0xffffffff;
    expect(hex(philox([0, 0, 0, 0], [0, 0]))).toBe('6627e8d5 e169c58d bc57ac4c 9b00dbd8');
    expect(hex(philox([ones, ones, ones, ones], [ones, ones]))).toBe('408f276d 41c83b0e a20bc7c6 6d5451fd');
    expect(hex(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]))).toBe('d16cfe09 94fdcceb 5001e420 24126ea1');
  });

  test('stays below the limit', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 53 - 1 }), fc.nat(), fc.nat(), (limit, seed, step) => {
      const drawn = randomBelow(limit, seed, step, 0);
      expect(drawn).toBeGreaterThanOrEqual(0);
      expect(drawn).toBeLessThan(limit);
    }));
  });
});

import * as fc from 'fast-check';
import { byteTokenizer, characterTokenizer, type Tokenizer } from '@ashlar/text';
import { describe, expect, test } from 'vitest';
import { decoded, untilStop } from './index.js';

async function* each<T>(items: Iterable<T>): AsyncGenerator<T, string> {
  yield* items;
  return 'end';
}
async function pieces<R>(given: AsyncGenerator<string, R>): Promise<{ pieces: string[]; ending: R }> {
  const found: string[] = [];
  for (;;) {
    const { value, done } = await given.next();
    if (done) return { pieces: found, ending: value };
    found.push(value);
  }
}

describe('decoded', () => {
  const bytes = byteTokenizer();
  test('bytes come out as whole characters', async () => {
    expect(await pieces(decoded(each(bytes.encode('aé€😀z')), bytes))).toEqual({ pieces: ['a', 'é', '€', '😀', 'z'], ending: 'end' });
  });
  test('bytes that are no text come out as replacement characters, and nothing is lost behind them', async () => {
    expect((await pieces(decoded(each([0xff, ...bytes.encode('abcd')]), bytes))).pieces.join('')).toBe('\uFFFDabcd');
    expect((await pieces(decoded(each([0x61, 0xe2, 0x82]), bytes))).pieces.join('')).toBe('a\uFFFD');
  });
  test('characters come out one by one', async () => {
    const tokenizer = characterTokenizer('héllo');
    expect((await pieces(decoded(each(tokenizer.encode('héllo')), tokenizer))).pieces).toEqual(['h', 'é', 'l', 'l', 'o']);
  });
  test('a word keeps the space before it, where the tokenizer drops one that begins a text', async () => {
    const words = [' the', ' sea', 'side', ' '], tokenizer = { decode: (ids: ArrayLike<number>) => Array.from(ids, (id) => words[id]!).join('').replace(/^ /, '') } as Tokenizer;
    expect((await pieces(decoded(each([0, 1, 2, 3, 1]), tokenizer))).pieces).toEqual(['the', ' sea', 'side', ' ', ' sea']);
    expect((await pieces(decoded(each([1, 2]), tokenizer, [0, 0]))).pieces).toEqual([' sea', 'side']);
  });
});

describe('untilStop', () => {
  test.each<[string[], string[], string[], string]>([
    [['ab', 'c', 'd'], ['cd'], ['ab'], 'stop'],
    [['abc', 'e', 'x'], ['cd'], ['ab', 'ce', 'x'], 'end'],
    [['a', 'b'], ['bc'], ['a', 'b'], 'end'],
    [['aab', 'aac'], ['aac', 'zz'], ['aab'], 'stop'],
    [['x\n\nUser: y'], ['User:', '\n\n'], ['x'], 'stop'],
    [['ab'], ['ab'], [], 'stop'],
  ])('%j until %j', async (given, stops, wanted, ending) => {
    expect(await pieces(untilStop(each(given), stops))).toEqual({ pieces: wanted, ending });
  });
  test('gives what stands before the one that is whole first, however the text comes in pieces', async () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 });
    await fc.assert(fc.asyncProperty(fc.array(letters, { maxLength: 8 }), fc.array(letters, { minLength: 1, maxLength: 3 }), async (given, stops) => {
      const text = given.join('');
      let first = Infinity;
      for (let end = 1; end <= text.length && first === Infinity; end++) for (const stop of stops) if (text.slice(0, end).endsWith(stop)) first = Math.min(first, end - stop.length);
      const got = await pieces(untilStop(each(given), stops));
      expect(got).toMatchObject({ ending: first === Infinity ? 'end' : 'stop' });
      expect(got.pieces.join('')).toBe(text.slice(0, first));
    }));
  });
  test('an empty one is refused', async () => {
    await expect(pieces(untilStop(each(['a']), ['']))).rejects.toThrow('a stop sequence must hold at least one character');
  });
});

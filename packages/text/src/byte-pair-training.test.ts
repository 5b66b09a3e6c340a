import { Tokenizer as Library } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { huggingFaceForm, tokenizerFromJSON, trainBytePairs } from './index.js';

interface Model { readonly vocab: Readonly<Record<string, number>>; readonly merges: readonly (readonly [string, string])[] }
const modelOf = (tokenizer: ReturnType<typeof trainBytePairs>): Model => (huggingFaceForm(tokenizer).tokenizer as { model: Model }).model;

/** Counts every pair anew for each merge. Letters a to d and spaces alone, so that a byte is its own character (a space is Ġ). */
function countedAnew(text: string, merges: number): [string, string][] {
  let words = (text.match(/ ?[a-d]+| +(?![a-d])| +/g) ?? []).map((word) => [...word].map((letter) => (letter === ' ' ? 'Ġ' : letter)));
  const order = [...'abcdĠ'], result: [string, string][] = [];
  for (let step = 0; step < merges; step++) {
    const counts = new Map<string, number>();
    for (const word of words) for (let i = 1; i < word.length; i++) counts.set(`${word[i - 1]!}\0${word[i]!}`, (counts.get(`${word[i - 1]!}\0${word[i]!}`) ?? 0) + 1);
    const age = (piece: string): number => (piece === 'Ġ' ? 0x20 : piece.length === 1 ? piece.charCodeAt(0) : 256 + order.indexOf(piece));
    const [best] = [...counts].map(([key, count]) => ({ pair: key.split('\0') as [string, string], count }))
      .sort((x, y) => y.count - x.count || age(x.pair[0]) - age(y.pair[0]) || age(x.pair[1]) - age(y.pair[1]));
    if (!best || best.count < 2) break;
    result.push(best.pair);
    order.push(best.pair.join(''));
    words = words.map((word) => {
      const next: string[] = [];
      for (let i = 0; i < word.length; i++) {
        if (word[i] === best.pair[0] && word[i + 1] === best.pair[1]) next.push(best.pair[0] + word[++i]!);
        else next.push(word[i]!);
      }
      return next;
    });
  }
  return result;
}

describe('trainBytePairs', () => {
  test('merges the most frequent pair first, the oldest of equals', () => {
    const tokenizer = trainBytePairs([`${'low '.repeat(5)}${'lower '.repeat(2)}${'newest '.repeat(6)}${'widest '.repeat(3)}`], { vocabularySize: 262 });
    // "es" and "st" 9 times, "we" 8, "lo" and "ow" 7; then 6 times a space with "n" or "low", "ne", "ew", "w" with "est".
    expect(modelOf(tokenizer).merges).toEqual([['e', 's'], ['es', 't'], ['l', 'o'], ['lo', 'w'], ['Ġ', 'n']]);
    expect(tokenizer.vocabularySize).toBe(262);
    expect(tokenizer.end).toEqual([261]);
    expect(tokenizer.idToToken(256)).toBe('es');
    expect([...tokenizer.encode('best')]).toEqual([0x62, 257]);
  });

  test('is what counting anew after each merge gives', () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom(...'abcd  '), maxLength: 120 }), fc.integer({ min: 1, max: 30 }), (text, merges) => {
      expect(modelOf(trainBytePairs([text], { vocabularySize: 257 + merges })).merges).toEqual(countedAnew(text, merges));
    }));
  });

  test('round trip of any text, as the library that reads tokenizer.json encodes it, and through JSON', () => {
    fc.assert(fc.property(fc.array(fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }))), fc.string({ unit: 'grapheme' }), (texts, text) => {
      const tokenizer = trainBytePairs([...texts, text, text], { vocabularySize: 300 });
      const ids = tokenizer.encode(text), { tokenizer: json, config } = huggingFaceForm(tokenizer);
      expect(tokenizer.decode(ids)).toBe(text);
      expect([...ids]).toEqual(new Library(JSON.parse(JSON.stringify(json)) as object, config).encode(text).ids);
      expect(tokenizerFromJSON(JSON.parse(JSON.stringify(tokenizer.toJSON()))).encode(text)).toEqual(ids);
    }), { numRuns: 40 });
  });

  test('learns nothing that occurs once, and stops where nothing is left', () => {
    expect(trainBytePairs(['abcdef'], { vocabularySize: 1000 }).vocabularySize).toBe(257);
    expect(trainBytePairs(['abcdef'], { vocabularySize: 1000, minimumCount: 1 }).idToToken(260)).toBe('abcdef');
  });

  test('refuses vocabularies without room for the bytes', () => {
    expect(() => trainBytePairs(['a'], { vocabularySize: 256 })).toThrow('vocabularySize must be a whole number from 257 (256 bytes and <|endoftext|>), got 256');
    expect(() => trainBytePairs(['a'], { vocabularySize: 300, minimumCount: 0 })).toThrow('minimumCount must be a whole number from 1, got 0');
  });
});

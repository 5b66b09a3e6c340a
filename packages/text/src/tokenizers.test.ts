import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { byteTokenizer, characterTokenizer, endedTokenizer, huggingFaceForm, huggingFaceTokenizer, symbolTokenizer, tokenizerFromJSON, trainBytePairs, UnknownCharacterError } from './index.js';

const unicode = fc.string({ unit: 'binary', minLength: 1 });

describe('characterTokenizer', () => {
  test('numbers the sorted code points', () => {
    const tokenizer = characterTokenizer('banana 🍌\n');
    expect(tokenizer.vocabularySize).toBe(6);
    expect([0, 1, 2, 3, 4, 5].map(tokenizer.idToToken)).toEqual(['\n', ' ', 'a', 'b', 'n', '🍌']);
    expect([...tokenizer.encode('nab🍌')]).toEqual([4, 2, 3, 5]);
    expect(tokenizer.decode([3, 2, 4, 5])).toBe('ban🍌');
  });

  test('round trip of any text, also through JSON', () => {
    fc.assert(fc.property(unicode, (text) => {
      const tokenizer = characterTokenizer(text);
      const ids = tokenizer.encode(text);
      expect(ids.length).toBe([...text].length);
      expect(tokenizer.decode(ids)).toBe(text);
      const again = tokenizerFromJSON(JSON.parse(JSON.stringify(tokenizer.toJSON())));
      expect(again.encode(text)).toEqual(ids);
    }));
  });

  test('an unknown character is named with its code point, its place and what is known', () => {
    const tokenizer = characterTokenizer('abc\n');
    expect(() => tokenizer.encode('caffé')).toThrow(UnknownCharacterError);
    expect(() => tokenizer.encode('cabé')).toThrow('character tokenizer: no token for "é" (U+00E9) at position 3; leave it out or use one of the 4 known characters: \\n a b c');
    expect(() => tokenizer.encode('a🍌')).toThrow('(U+1F34C) at position 1');
    expect(() => characterTokenizer(Array.from({ length: 200 }, (_, i) => 200 + i)).encode('a')).toThrow('… and 80 more');
  });

  test('refuses an empty text, lone surrogates and tokens outside the vocabulary', () => {
    expect(() => characterTokenizer('')).toThrow('at least one character');
    expect(() => characterTokenizer('a\ud800')).toThrow('lone surrogate U+D800');
    expect(() => characterTokenizer('ab').decode([0, 2])).toThrow('character tokenizer: token numbers run from 0 to 1, got 2');
    expect(() => characterTokenizer('ab').idToToken(-1)).toThrow(RangeError);
    expect(() => characterTokenizer('ab').decode([0.5])).toThrow(RangeError);
  });
});

describe('endedTokenizer', () => {
  test.each([['characters', characterTokenizer('ab c')], ['bytes', byteTokenizer()], ['symbols', symbolTokenizer(['a', 'b'])]] as const)('%s: one token more, without text, also in the form of Hugging Face', (_, tokenizer) => {
    const ended = endedTokenizer(tokenizer), end = tokenizer.vocabularySize, text = 'a b', { tokenizer: form, config } = huggingFaceForm(ended), read = huggingFaceTokenizer({ tokenizer: form, config });
    expect([ended.vocabularySize, ended.end, ended.idToToken(end), ended.decode([...ended.encode(text), end])]).toEqual([end + 1, [end], '', text]);
    expect(() => ended.idToToken(end + 1)).toThrow(RangeError);
    expect(endedTokenizer(ended)).toBe(ended);
    expect([read.vocabularySize, [...read.encode(text)], [...read.encode('a<|endoftext|>')].at(-1)]).toEqual([end + 1, [...tokenizer.encode(text)], end]);
    expect([config, read.end]).toEqual([expect.objectContaining({ eos_token: '<|endoftext|>' }), [end]]);
    expect(tokenizerFromJSON(JSON.parse(JSON.stringify(ended.toJSON()))).toJSON()).toEqual(ended.toJSON());
  });

  test('a tokenizer that has an end is left as it is', () => {
    const tokenizer = trainBytePairs(['aa aa'], { vocabularySize: 260 });
    expect(endedTokenizer(tokenizer)).toBe(tokenizer);
    expect(() => tokenizerFromJSON({ type: 'ended' })).toThrow('expected an object with a "type"');
  });
});

describe('byteTokenizer', () => {
  test('tokens are the bytes of UTF-8', () => {
    expect([...byteTokenizer().encode('aé')]).toEqual([0x61, 0xc3, 0xa9]);
    expect(byteTokenizer().vocabularySize).toBe(256);
    expect(byteTokenizer().idToToken(0x61)).toBe('a');
    expect(byteTokenizer().idToToken(0xc3)).toBe('<0xC3>');
  });

  test('round trip of any text, byte-order marks included', () => {
    fc.assert(fc.property(unicode, (text) => {
      expect(byteTokenizer().decode(byteTokenizer().encode(text))).toBe(text);
    }));
    expect(byteTokenizer().decode(byteTokenizer().encode('\ufeffa'))).toBe('\ufeffa');
  });

  test('writes U+FFFD for invalid bytes, refuses lone surrogates and numbers past 255', () => {
    expect(byteTokenizer().decode([0x61, 0xff, 0x62])).toBe('a\ufffdb');
    expect(() => byteTokenizer().encode('ab\udc00')).toThrow('(U+DC00) at position 2');
    expect(() => byteTokenizer().decode([256])).toThrow('byte tokenizer: token numbers run from 0 to 255, got 256');
  });
});

test.each([
  [null, 'expected an object'],
  [[], 'expected an object'],
  [{ type: 'word' }, ', got "word"'],
  [{ type: 'byte', characters: 'a' }, 'unknown key "characters"'],
  [{ type: 'character' }, 'characters must be a string'],
  [{ type: 'character', characters: 'ba' }, 'in the order of their code points'],
  [{ type: 'character', characters: 'aa' }, 'each once'],
  [{ type: 'character', characters: '' }, 'at least one character'],
])('tokenizerFromJSON refuses %j', (json, message) => {
  expect(() => tokenizerFromJSON(json)).toThrow(message);
});

import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { byteTokenizer, characterTokenizer, huggingFaceForm, huggingFaceTokenizer, parseLlama2cTokenizer, scoredPiecesTokenizer, textTokens, tokenizerFromJSON, type ScoredPieces } from './index.js';

const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
const vocabulary = (...pieces: string[]): ScoredPieces => ({ pieces: ['<unk>', '\n<s>\n', '\n</s>\n', ...bytes, ...pieces], scores: [0, 0, 0, ...bytes.map(() => 0), ...pieces.map((_, i) => -i)], begin: 1, end: 2 });
const named = ({ pieces }: ScoredPieces, ids: Iterable<number>): string[] => Array.from(ids, (id) => pieces[id]!);

/** The published algorithm word for word: of all neighbours whose union is a piece, the best is joined, until there is none. */
function plainEncode({ pieces, scores }: ScoredPieces, text: string): number[] {
  if (text === '') return [];
  const tokens = [pieces.indexOf(' '), ...[...text].flatMap((character) => (pieces.includes(character) ? [pieces.indexOf(character)] : [...Buffer.from(character)].map((byte) => byte + 3)))];
  for (;;) {
    let best = -Infinity, place = -1, union = -1;
    for (let i = 0; i + 1 < tokens.length; i++) {
      const id = pieces.indexOf(pieces[tokens[i]!]! + pieces[tokens[i + 1]!]!);
      if (id >= 0 && scores[id]! > best) [best, place, union] = [scores[id]!, i, id];
    }
    if (place < 0) return tokens;
    tokens.splice(place, 2, union);
  }
}

describe('scoredPiecesTokenizer', () => {
  const small = vocabulary(' a', 'ab', 'bc', 'abc', ' ', 'a', 'b', 'c', 'é'), tokenizer = scoredPiecesTokenizer(small);

  test('joins the best-scored neighbours first; what it lacks becomes bytes', () => {
    expect(named(small, tokenizer.encode('abc'))).toEqual([' a', 'bc']);
    expect(named(small, tokenizer.encode('ababc'))).toEqual([' a', 'b', 'abc']);
    expect(named(small, tokenizer.encode('éß'))).toEqual([' ', 'é', '<0xC3>', '<0x9F>']);
    expect([...tokenizer.encode('')]).toEqual([]);
    expect([tokenizer.begin, tokenizer.end, tokenizer.vocabularySize]).toEqual([1, [2, 1], 268]);
    expect([...textTokens(tokenizer, '')]).toEqual([1]);
    expect([...textTokens(tokenizer, 'a')]).toEqual([1, 259]);
  });

  test('a text comes back without the space that was put before it; parts keep theirs', () => {
    expect(tokenizer.decode(textTokens(tokenizer, 'abc éß🍌'))).toBe('abc éß🍌');
    expect(tokenizer.decode(tokenizer.encode('abc'))).toBe(' abc');
    expect(tokenizer.decode([1, 2])).toBe('');
    expect(tokenizer.decode([0xc3 + 3])).toBe('\ufffd');
    expect(() => tokenizer.decode([268])).toThrow('token numbers run from 0 to 267, got 268');
  });

  const letters = 'abc ', word = fc.string({ unit: fc.constantFrom(...letters), minLength: 2, maxLength: 4 });
  test('gives what the plain algorithm gives, whatever the vocabulary', () => {
    fc.assert(fc.property(fc.uniqueArray(word, { maxLength: 12 }), fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 16, maxLength: 16 }), fc.string({ unit: fc.constantFrom(...letters, 'é'), maxLength: 20 }), (words, scores, text) => {
      const base = vocabulary(...letters, ...words), scored = { ...base, scores: base.scores.map((score, id) => (id < 259 ? score : scores[id - 259]!)) };
      expect([...scoredPiecesTokenizer(scored).encode(text)]).toEqual(plainEncode(scored, text));
    }), { numRuns: 500 });
  });

  test('round trip of any text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(tokenizer.decode(textTokens(tokenizer, text))).toBe(text);
    }));
  });

  test('a long text takes time in proportion', () => {
    const text = 'abcab '.repeat(20_000), start = performance.now();
    expect(tokenizer.encode(text).length).toBeGreaterThan(40_000);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  test.each<[string, ScoredPieces, string]>([
    ['fewer scores than pieces', { ...small, scores: [] }, 'each piece needs a score, got 268 pieces and 0 scores'],
    ['no space', vocabulary('a'), 'needs a piece for the space'],
    ['some bytes only', { ...small, pieces: small.pieces.map((piece) => (piece === '<0x07>' ? 'seven' : piece)) }, 'none for <0x07>'],
    ['no bytes', { pieces: ['<unk>', ' '], scores: [0, 0] }, 'needs pieces <0x00> to <0xFF>'],
    ['a beginning outside', { ...small, begin: 268 }, 'begin: token numbers run from 0 to 267, got 268'],
  ])('%s is refused', (_, pieces, message) => { expect(() => scoredPiecesTokenizer(pieces)).toThrow(message); });
});

describe('as JSON', () => {
  const small = vocabulary(' a', ' ', 'a');
  test('it comes back', () => {
    const again = tokenizerFromJSON(JSON.parse(JSON.stringify(scoredPiecesTokenizer(small).toJSON())));
    expect([...again.encode('aa')]).toEqual([259, 261]);
    expect(again.begin).toBe(1);
    const form = huggingFaceForm(again), wrapped = huggingFaceTokenizer({ ...form, begin: 1, end: [2] });
    expect(tokenizerFromJSON(JSON.parse(JSON.stringify(wrapped.toJSON()))).encode('aa')).toEqual(again.encode('aa'));
    expect(huggingFaceForm(wrapped)).toEqual(form);
  });
  test.each<[object, string]>([
    [{ type: 'scoredPieces', pieces: 'abc', scores: [] }, 'pieces must be a list of strings, got "abc"'],
    [{ type: 'scoredPieces', ...small, begin: 1.5 }, 'begin must be the number of a token, got 1.5'],
    [{ type: 'huggingFace' }, 'tokenizer must be the contents of tokenizer.json, got nothing'],
    [{ type: 'huggingFace', tokenizer: {} }, 'tokenizer.json: '],
    [{ type: 'huggingFace', tokenizer: { model: { type: 'BPE', vocab: {}, merges: [] }, added_tokens: [], decoder: null, normalizer: null, pre_tokenizer: null, post_processor: null } }, 'its vocabulary is empty'],
  ])('%j is refused', (json, message) => { expect(() => tokenizerFromJSON(json)).toThrow(message); });
});

describe('in the form of Hugging Face, the same text gives the same tokens', () => {
  const text = fc.string({ unit: fc.constantFrom(...'abc é🍌\n', '  '), maxLength: 30 });
  test.each([
    ['bytes', byteTokenizer(), fc.string({ unit: 'grapheme', maxLength: 20 })],
    ['characters', characterTokenizer('abc é🍌\n'), text],
    ['scored pieces', scoredPiecesTokenizer(vocabulary(' a', 'ab', 'bc', ' ab', 'abc', '  ', ' ', 'a', 'b', 'c', 'é', '\n')), text],
  ])('%s', (_, tokenizer, texts) => {
    const other = huggingFaceTokenizer({ ...huggingFaceForm(tokenizer), ...(tokenizer.begin === undefined ? {} : { begin: tokenizer.begin }) });
    expect(other.vocabularySize).toBe(tokenizer.vocabularySize);
    fc.assert(fc.property(texts, (one) => {
      const ids = textTokens(tokenizer, one);
      expect([...textTokens(other, one)]).toEqual([...ids]);
      expect(other.decode(ids)).toBe(tokenizer.decode(ids));
    }), { numRuns: 300 });
  });
});

describe('tokenizer files of llama2.c', () => {
  /** A file of the format, made here. */
  const file = (pieces: readonly (readonly [number, string])[], longest = 20): Uint8Array => {
    const head = Buffer.alloc(4);
    head.writeInt32LE(longest);
    return Buffer.concat([head, ...pieces.flatMap(([score, piece]) => {
      const about = Buffer.alloc(8), text = Buffer.from(piece);
      about.writeFloatLE(score);
      about.writeInt32LE(text.length, 4);
      return [about, text];
    })]);
  };
  const whole = file([[0, '<unk>'], [0, '\n<s>\n'], [0, '\n</s>\n'], [-1.5, ' é']]);

  test('are read', () => {
    expect(parseLlama2cTokenizer(whole)).toEqual({ pieces: ['<unk>', '\n<s>\n', '\n</s>\n', ' é'], scores: [0, 0, 0, -1.5], begin: 1, end: 2 });
  });
  test.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'it has 0 bytes'], ['no length', file([], 0), 'the longest piece must have 1 to 65536 bytes, it says 0'], ['an absurd length', file([], 2 ** 30), 'the longest piece must have 1 to 65536 bytes, it says 1073741824'],
    ['a piece that is too long', file([[0, 'abc']], 2), 'token 0 must have 0 to 2 bytes, it says 3'], ['two tokens', file([[0, 'a'], [0, 'b']]), 'it has 2 tokens'],
    ['no UTF-8', Buffer.concat([whole.subarray(0, -1), Buffer.of(0xff)]), 'token 3 is not valid UTF-8'], ['no number', file([[NaN, 'a']]), 'the score of token 0 must be a number, got NaN'],
  ])('%s is refused', (_, bytes_, message) => { expect(() => parseLlama2cTokenizer(bytes_, 'tok.bin')).toThrow(`tok.bin: ${message}`); });
  test('damaged, they are read or refused with an error of their own', () => {
    fc.assert(fc.property(fc.nat({ max: whole.length }), fc.nat({ max: 255 }), fc.boolean(), (at, byte, cut) => {
      const bytes_ = cut ? whole.slice(0, at) : whole.map((old, i) => (i === at ? byte : old));
      try {
        expect(parseLlama2cTokenizer(bytes_).pieces.length).toBeLessThan(whole.length);
      } catch (error) {
        expect((error as Error).message).toMatch(/it is no tokenizer file of llama2\.c$/);
      }
    }), { numRuns: 1000 });
  });

  const real = new URL('../../../../shared/data/stories260K/', import.meta.url);
  test('a published one: its own story round, and the same tokens as Hugging Face\'s algorithm', (context) => {
    if (!existsSync(real)) return context.skip('../shared/data/stories260K is not here');
    const pieces = parseLlama2cTokenizer(readFileSync(new URL('tok512.bin', real))), tokenizer = scoredPiecesTokenizer(pieces), other = huggingFaceTokenizer({ ...huggingFaceForm(tokenizer), begin: 1 });
    const story = readFileSync(new URL('greedy-200.txt', real), 'utf8').trimEnd(), ids = textTokens(tokenizer, story);
    expect(tokenizer.vocabularySize).toBe(512);
    expect(named(pieces, ids.subarray(1, 6))).toEqual([' Once', ' upon', ' a', ' time', ',']);
    expect([...ids.subarray(1)]).toEqual(plainEncode(pieces, story));
    expect(tokenizer.decode(ids)).toBe(story);
    expect([...textTokens(other, story)]).toEqual([...ids]);
    expect(other.decode(ids)).toBe(story);
  });
});

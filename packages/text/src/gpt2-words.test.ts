import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodesWordByWord } from './gpt2-words.js';
import { byteTokenizer, cutAtWords, huggingFaceForm, huggingFaceTokenizer, trainBytePairs } from './index.js';

const character = fc.oneof(fc.constantFrom(...' \n\r\t\u00a0\u3000'), fc.constantFrom(..."'stmaé9_.", '🍌'), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }));
const chunks = fc.array(fc.string({ unit: character, maxLength: 12 }), { maxLength: 12 });
const endOfText = '<|endoftext|>';

describe('cutAtWords', () => {
  test('parts make the whole, and none is cut within a word', () => {
    expect([...cutAtWords(['on', 'e two th', 'ree\n', '\nfour', ' five'])]).toEqual(['one two', ' three', '\n\nfour', ' five']);
    fc.assert(fc.property(chunks, (texts) => { expect([...cutAtWords(texts)].join('')).toBe(texts.join('')); }));
  });

  test('tokens and learned pairs of the parts are those of the whole text', () => {
    fc.assert(fc.property(chunks, fc.boolean(), (texts, special) => {
      const all = special ? texts.flatMap((text) => [text, endOfText.slice(0, 5), endOfText.slice(5)]) : texts, text = all.join('');
      const whole = trainBytePairs([text, text], { vocabularySize: 280 }), parts = [...cutAtWords(all)];
      expect(trainBytePairs([...parts, ...cutAtWords(all)], { vocabularySize: 280 }).toJSON()).toEqual(whole.toJSON());
      expect(parts.flatMap((part) => [...whole.encode(part)])).toEqual([...whole.encode(text)]);
    }), { numRuns: 300 });
  });
});

test('only tokenizers that look at one word of GPT-2 at a time are given parts', () => {
  const own = trainBytePairs(['aa aa'], { vocabularySize: 260 }), { tokenizer } = huggingFaceForm(own);
  const judged = (change: object, config: object = {}): boolean => encodesWordByWord(huggingFaceTokenizer({ tokenizer: { ...tokenizer, ...change }, config }).toJSON());
  expect([judged({}), encodesWordByWord(own.toJSON())]).toEqual([true, true]);
  expect(encodesWordByWord(byteTokenizer().toJSON())).toBe(false);
  const level = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  for (const change of [
    { normalizer: { type: 'Lowercase' } }, { pre_tokenizer: { ...level, use_regex: false } }, { pre_tokenizer: { ...level, add_prefix_space: true } }, { pre_tokenizer: { type: 'WhitespaceSplit' } },
    { added_tokens: [{ id: 260, content: 'a b', lstrip: false, rstrip: false, special: true }] }, { added_tokens: [{ id: 260, content: 'ab', lstrip: true, rstrip: false, special: true }] },
  ]) expect(judged(change), JSON.stringify(change)).toBe(false);
  expect(judged({}, { remove_space: true })).toBe(false);
});

import { byteTokenizer, characterTokenizer } from '@ashlar/text';
import { expect, test } from 'vitest';
import { predictedCharacters } from './characters.js';

test.each(['abc', 'aé€😀z', 'éa'])('predicted characters of %s', (text) => {
  const bytes = Int32Array.from(byteTokenizer().encode(text));
  const source = (tokens: Int32Array) => ({ length: tokens.length, read: (start: number, into: Int32Array) => into.set(tokens.subarray(start, start + into.length)) });
  // The first token is not predicted: what begins with it is not counted.
  expect(predictedCharacters(source(bytes), byteTokenizer())).toBe([...text].length - 1);
  const tokenizer = characterTokenizer(text);
  expect(predictedCharacters(source(Int32Array.from(tokenizer.encode(text))), tokenizer)).toBe([...text].length - 1);
});

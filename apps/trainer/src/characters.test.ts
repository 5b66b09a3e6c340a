import { byteTokenizer, characterTokenizer, tokenArray, trainBytePairs } from '@ashlar/text';
import { expect, test } from 'vitest';
import { predictedCharacters } from './characters.js';

const source = (tokens: ArrayLike<number>) => tokenArray(Uint32Array.from(tokens));

test.each(['abc', 'aé€😀z', 'éa'])('predicted characters of %s', (text) => {
  const bytes = byteTokenizer().encode(text);
  // The first token is not predicted: what begins with it is not counted.
  expect(predictedCharacters(source(bytes), byteTokenizer())).toBe([...text].length - 1);
  const tokenizer = characterTokenizer(text);
  expect(predictedCharacters(source(tokenizer.encode(text)), tokenizer)).toBe([...text].length - 1);
});

test('of byte pairs: characters, not tokens, also where windows and the text begin and end within one', () => {
  const line = 'aaaa 😀é€ and on\n', text = line.repeat(9000), tokenizer = trainBytePairs([line.repeat(3)], { vocabularySize: 263 }), tokens = tokenizer.encode(text), characters = [...text];
  expect(tokens.length).toBeGreaterThan(2 * 65536);
  const first = [...tokenizer.decode(tokens.subarray(0, 1))].length;
  expect(predictedCharacters(source(tokens), tokenizer)).toBe(characters.length - first);
  const bytes = byteTokenizer().encode(text), smile = 5;
  expect([bytes[smile], bytes[smile + 1]]).toEqual([0xf0, 0x9f]);
  // From the first byte of the smile on it is not predicted, from the second on nor the rest of it.
  for (const from of [smile, smile + 1, smile + 2, smile + 3]) expect(predictedCharacters(source(bytes.subarray(from)), byteTokenizer())).toBe(characters.length - 6);
});

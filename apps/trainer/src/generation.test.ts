import { tensor, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { byteTokenizer, characterTokenizer } from '@ashlar/text';
import { describe, expect, test } from 'vitest';
import { decoded, predictedCharacters } from './decoding.js';
import { generate } from './generation.js';

/** A model of 16 tokens that is sure of: (the token itself + its place in the window) mod 16. */
function countingModel() {
  let traces = 0;
  return {
    get traces() { return traces; },
    logits(tokens: Tensor): Tensor {
      traces++;
      const [batch, context] = tokens.shape as [number, number];
      const wanted = tokens.add(tensor(Int32Array.from({ length: context }, (_, i) => i))).mod(16);
      return wanted.reshape([batch, context, 1]).eq(tensor(Int32Array.from({ length: 16 }, (_, i) => i))).cast('f32').mul(50);
    },
  };
}

async function written(options: Partial<Parameters<typeof generate>[0]>): Promise<number[]> {
  await using device = reference();
  const tokens: number[] = [];
  for await (const token of generate({ model: countingModel(), device, context: 4, prompt: [3], tokens: 9, temperature: 1, seed: 1, ...options })) tokens.push(token);
  return tokens;
}

/** The same by hand: the place of the last token is limited by the window. */
function expectedTokens(prompt: readonly number[], count: number, context: number): number[] {
  const text = [...prompt];
  for (let i = 0; i < count; i++) text.push((text.at(-1)! + Math.min(text.length, context) - 1) % 16);
  return text.slice(prompt.length);
}

describe('generate', () => {
  test.each([[[3]], [[1, 2]], [[1, 2, 3, 4]], [[9, 8, 7, 6, 5, 4]]])('goes on from %j and slides where the window is full', async (prompt) => {
    expect(await written({ prompt })).toEqual(expectedTokens(prompt, 9, 4));
  });

  test('compiles once', async () => {
    const model = countingModel();
    await written({ model });
    expect(model.traces).toBe(1);
  });

  test('the same seed writes the same, another one something else', async () => {
    const flat = { logits: (tokens: Tensor): Tensor => countingModel().logits(tokens).mul(0.01) };
    const first = await written({ model: flat, seed: 4, tokens: 30 });
    expect(await written({ model: flat, seed: 4, tokens: 30 })).toEqual(first);
    expect(await written({ model: flat, seed: 5, tokens: 30 })).not.toEqual(first);
  });

  test('needs a prompt', async () => {
    await expect(written({ prompt: [] })).rejects.toThrow('the prompt must hold at least one token');
  });
});

async function* each(ids: Iterable<number>): AsyncGenerator<number> { yield* ids; }
async function pieces(ids: Iterable<number>, tokenizer = byteTokenizer()): Promise<string[]> {
  const found: string[] = [];
  for await (const piece of decoded(each(ids), tokenizer)) found.push(piece);
  return found;
}

describe('decoded', () => {
  test('bytes come out as whole characters', async () => {
    expect(await pieces(byteTokenizer().encode('aé€😀z'))).toEqual(['a', 'é', '€', '😀', 'z']);
  });

  test('bytes that are no text come out as replacement characters, and nothing is lost behind them', async () => {
    expect((await pieces([0xff, ...byteTokenizer().encode('abcd')])).join('')).toBe('\uFFFDabcd');
    expect((await pieces([0x61, 0xe2, 0x82])).join('')).toBe('a\uFFFD');
  });

  test('characters come out one by one', async () => {
    const tokenizer = characterTokenizer('héllo');
    expect(await pieces(tokenizer.encode('hello'.replace('e', 'é')), tokenizer)).toEqual(['h', 'é', 'l', 'l', 'o']);
  });
});

test.each(['abc', 'aé€😀z', 'éa'])('predicted characters of %s', (text) => {
  const bytes = Int32Array.from(byteTokenizer().encode(text));
  const source = (tokens: Int32Array) => ({ length: tokens.length, read: (start: number, into: Int32Array) => into.set(tokens.subarray(start, start + into.length)) });
  // The first token is not predicted: what begins with it is not counted.
  expect(predictedCharacters(source(bytes), byteTokenizer())).toBe([...text].length - 1);
  const tokenizer = characterTokenizer(text);
  expect(predictedCharacters(source(Int32Array.from(tokenizer.encode(text))), tokenizer)).toBe([...text].length - 1);
});

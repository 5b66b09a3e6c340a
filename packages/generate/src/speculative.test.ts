import { afterAll, describe, expect, test } from 'vitest';
import { jit, tensor } from '@ashlar/tensor';
import { wasm } from '@ashlar/wasm';
import { build, type Decoder, type DecoderConfigInput } from '@ashlar/models';
import { distribution, generate, speculator, type Speculator, type SpeculativeWriting, type SpeculatorOptions } from './index.js';

const device = await wasm({ threads: 1 });
afterAll(() => device.close());
const modelOf = (seed: number, more: Partial<DecoderConfigInput> = {}): Decoder => build({ modelType: 'decoder', vocabulary: 5, width: 8, depth: 1, maxLength: 32, attention: { type: 'multiHead', heads: 2 }, positional: 'rotary', norm: 'rmsNorm', feedForward: 'swiglu', initialisation: { std: 0.6 }, ...more } as DecoderConfigInput, { seed });
const model = modelOf(1), draft = modelOf(2), prompt = [3, 1, 4];
async function written(one: Speculator, options: Partial<SpeculativeWriting> = {}, given: readonly number[] = prompt): Promise<number[]> {
  const found: number[] = [];
  for await (const token of one.write(given, { maxTokens: 12, ...options })) found.push(token);
  return found;
}
const speculatorOf = (more: Partial<SpeculatorOptions> = {}): Speculator => speculator({ model, draft, device, ...more });

describe('speculative decoding', () => {
  test.each([1, 3, 5])('with temperature 0 and %d guesses writes the text of the model', async (guesses) => {
    const wanted: number[] = [];
    for await (const token of generate({ model, device, prompt, maxTokens: 12, temperature: 0 })) wanted.push(token);
    const one = speculatorOf({ guesses }), sure = speculatorOf({ guesses, draft: model });
    let right = 0, readings = 0;
    expect(await written(one, { temperature: 0, onReading: (count) => { right += count; readings++; } })).toEqual(wanted);
    expect(right).toBeLessThan(readings * guesses); // the draft is another model: some guesses are wrong
    readings = 0;
    for (let time = 0; time < 2; time++) expect(await written(sure, { temperature: 0, onReading: (count, of) => { expect(count).toBe(of); readings++; } })).toEqual(wanted);
    expect(readings).toBe(2 * (Math.ceil(12 / (guesses + 1)) - 1)); // the last is cut short by the number of tokens
    for (const each of [one, sure]) each.release();
  });

  test.each<[string, Partial<SpeculativeWriting>]>([['the model', {}], ['a cut distribution', { temperature: 0.8, topK: 3, repetitionPenalty: 1.3 }]])('texts come as often as the distribution of %s says: chi-square over all texts of two tokens', async (_, sampling) => {
    // Probabilities of all 25 texts, from the model's logits over whole texts.
    const run = jit((tokens) => model.logits(tokens as never), { device }), wanted = new Map<string, number>();
    const after = async (text: number[]): Promise<Float64Array> => distribution(Float32Array.from((await (run(tensor(Int32Array.from(text), { shape: [1, text.length] }))).data()).slice(-5)), sampling, text);
    const first = await after(prompt);
    for (const [a, p] of first.entries()) if (p > 0) for (const [b, q] of (await after([...prompt, a])).entries()) if (q > 0) wanted.set(`${a},${b}`, p * q);
    const counts = new Map<string, number>(), draws = 3000, one = speculatorOf({ guesses: 2, context: 8 });
    for (let seed = 0; seed < draws; seed++) {
      const text = (await written(one, { ...sampling, maxTokens: 2, seed })).join();
      counts.set(text, (counts.get(text) ?? 0) + 1);
    }
    for (const text of counts.keys()) expect(wanted.has(text), text).toBe(true);
    const cells = [...wanted].filter(([, p]) => p * draws >= 5), statistic = cells.reduce((sum, [text, p]) => sum + ((counts.get(text) ?? 0) - p * draws) ** 2 / (p * draws), 0);
    // Mean and variance of chi-square are k and 2k: at four standard deviations, an error of 1 in 10,000.
    const k = cells.length - 1;
    expect(cells.length).toBeGreaterThan(5);
    expect(statistic).toBeLessThan(k + 4 * Math.sqrt(2 * k));
  });

  test('ends at an end token, and where the context ends', async () => {
    const one = speculatorOf({ context: 20 }), whole = await written(one, { temperature: 0 });
    expect(await written(one, { temperature: 0, endTokens: [whole[5]!] })).toEqual(whole.slice(0, whole.indexOf(whole[5]!)));
    expect(await written(one, { temperature: 0, maxTokens: 18 })).toEqual(await (async () => {
      const found: number[] = [];
      for await (const token of generate({ model, device, prompt, maxTokens: 18, temperature: 0 })) found.push(token);
      return found;
    })());
    await expect(written(one, { maxTokens: 19 })).rejects.toThrow('the text would have 21 tokens, and the context holds 20');
    one.release();
  });
  test('says what does not go', async () => {
    expect(() => speculatorOf({ draft: modelOf(1, { vocabulary: 6 }) })).toThrow("the draft's vocabulary must be the model's (5), got 6");
    expect(() => speculatorOf({ guesses: 0 })).toThrow('guesses');
    await expect(written(speculatorOf(), {}, [])).rejects.toThrow('at least one token');
    await expect(written(speculatorOf({ model: modelOf(1, { attention: { type: 'retention', heads: 2 } }) }), { temperature: 0 })).rejects.toThrow('cannot go back by a few tokens');
  });
});

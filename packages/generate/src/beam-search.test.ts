import { afterAll, describe, expect, test } from 'vitest';
import { jit, tensor, type Tensor } from '@ashlar/tensor';
import { wasm } from '@ashlar/wasm';
import { build, type Decoder, type EncoderDecoder } from '@ashlar/models';
import { beamSearch, writer, type BeamResult, type BeamSearchOptions } from './index.js';

const device = await wasm({ threads: 1 });
afterAll(() => device.close());

const shape = { vocabulary: 4, width: 8, depth: 1, maxLength: 12, attention: { type: 'multiHead', heads: 2 }, positional: 'learned', norm: 'rmsNorm', feedForward: 'swiglu', initialisation: { std: 0.7 } } as const;
const decoderModel = build({ ...shape, modelType: 'decoder' }, { seed: 3 }) as Decoder;
const pairModel = build({ ...shape, modelType: 'encoderDecoder', crossAttention: { type: 'cross', heads: 2 } }, { seed: 5 }) as EncoderDecoder;
const end = 0, maxTokens = 4;

/** Logits after a text, without a cache: of the decoder, or of the pair and a source. */
const models: Record<string, { model: BeamSearchOptions['model']; source?: readonly number[]; after: (text: readonly number[]) => Promise<readonly number[]> }> = {
  'a decoder': { model: decoderModel, after: (text) => lastOf(decoderRun(rowOf(text))) },
  'an encoder-decoder': { model: pairModel, source: [2, 1, 3], after: (text) => lastOf(pairRun(rowOf([2, 1, 3]), rowOf(text))) },
  'the same from another source': { model: pairModel, source: [1], after: (text) => lastOf(pairRun(rowOf([1]), rowOf(text))) },
};
const decoderRun = jit((tokens: Tensor) => decoderModel.logits(tokens), { device }), pairRun = jit((source: Tensor, tokens: Tensor) => pairModel.logits(source, tokens), { device });
const rowOf = (ids: readonly number[]): Tensor => tensor(Int32Array.from(ids), { shape: [1, ids.length] });
const lastOf = async (logits: Tensor): Promise<readonly number[]> => [...await logits.data()].slice(-4);

/** Every text of at most `maxTokens`, with its probability. */
async function everyText(after: (text: readonly number[]) => Promise<readonly number[]>, prompt: readonly number[], penalty: number): Promise<BeamResult[]> {
  const found: BeamResult[] = [];
  const visit = async (tokens: readonly number[], logProbability: number): Promise<void> => {
    const logits = await after([...prompt, ...tokens]), total = Math.log(logits.reduce((sum, value) => sum + Math.exp(value), 0));
    for (const [token, value] of logits.entries()) {
      const sum = logProbability + value - total, count = tokens.length + 1;
      if (token === end) found.push({ tokens, logProbability: sum, score: sum / count ** penalty, ended: true });
      else if (count === maxTokens) found.push({ tokens: [...tokens, token], logProbability: sum, score: sum / count ** penalty, ended: false });
      else await visit([...tokens, token], sum);
    }
  };
  await visit([], 0);
  return found.sort((a, b) => b.score - a.score);
}

describe.each(Object.entries(models))('beam search of %s', (_, { model, source, after }) => {
  test.each([0, 0.6, 1, 2, -1])('with as many beams as there are texts finds the best of all texts, length penalty %d', async (lengthPenalty) => {
    const wanted = (await everyText(after, [3, 1], lengthPenalty)).slice(0, 81), got = await beamSearch({ model, source, device, prompt: [3, 1], beams: 81, maxTokens, endTokens: [end], lengthPenalty, context: 8, ...(source ? { sourceContext: 3 } : {}) });
    expect(got.length).toBeGreaterThanOrEqual(3);
    for (const [i, one] of got.slice(0, 12).entries()) {
      expect(one.tokens, `text ${i}`).toEqual(wanted[i]!.tokens);
      expect(one.logProbability).toBeCloseTo(wanted[i]!.logProbability, 4);
      expect(one.score).toBeCloseTo(wanted[i]!.score, 4);
      expect(one.ended).toBe(wanted[i]!.ended);
    }
  });
  test('one beam is greedy', async () => {
    const [best] = await beamSearch({ model, source, device, prompt: [3], beams: 1, maxTokens: 6 }), one = writer({ model, device }), greedy: number[] = [];
    for await (const token of one.write([3], { maxTokens: 6, temperature: 0, source })) greedy.push(token);
    expect(best!.tokens).toEqual(greedy);
    expect(best!.ended).toBe(false);
    one.release();
  });
  test('more beams find nothing worse', async () => {
    let last = -Infinity;
    for (const beams of [1, 3, 27]) {
      const [best] = await beamSearch({ model, source, device, prompt: [2], beams, maxTokens: 3, lengthPenalty: 1 });
      expect(best!.score).toBeGreaterThanOrEqual(last - 1e-6);
      last = best!.score;
    }
  });
});

test('a writer of an encoder-decoder: texts from sources of several lengths, alone and side by side', async () => {
  const sources = [[2, 1, 3], [1], [3, 3, 2, 2]], one = writer({ model: pairModel, device }), alone: number[][] = [], rows: number[][] = [[], [], []];
  for (const source of sources) {
    const text: number[] = [];
    for await (const token of one.write([1], { source, maxTokens: 5, temperature: 0 })) text.push(token);
    const wanted: number[] = [];
    for (let i = 0; i < 5; i++) {
      const logits = await lastOf(pairRun(rowOf(source), rowOf([1, ...wanted])));
      wanted.push(logits.indexOf(Math.max(...logits)));
    }
    expect(text).toEqual(wanted);
    alone.push(text);
  }
  expect(new Set(alone.map(String)).size).toBeGreaterThan(1);
  const together = writer({ model: pairModel, device, batch: 3, sourceContext: 4 });
  for await (const next of together.writeBatch([[1], [1], [1]], { source: sources, maxTokens: 5, temperature: 0 })) if ('token' in next) rows[next.row]!.push(next.token);
  expect(rows).toEqual(alone);
  for (const used of [one, together]) used.release();
});

test('says what does not go', async () => {
  const base = { device, prompt: [1], beams: 2, maxTokens: 3 };
  await expect(beamSearch({ ...base, model: pairModel })).rejects.toThrow('the model writes from a source; give one (source)');
  await expect(beamSearch({ ...base, model: decoderModel, source: [1] })).rejects.toThrow('the model writes from no source; leave it out');
  await expect(beamSearch({ ...base, model: pairModel, source: [1, 1, 1], sourceContext: 2 })).rejects.toThrow('a source must have 1 to 2 tokens (sourceContext), got 3');
  await expect(beamSearch({ ...base, model: decoderModel, beams: 0 })).rejects.toThrow('beams');
  await expect(beamSearch({ ...base, model: decoderModel, maxTokens: 13 })).rejects.toThrow('the text would have 13 tokens, and the context holds 12');
  const one = writer({ model: pairModel, device });
  await expect(one.write([1], { maxTokens: 2 }).next()).rejects.toThrow('give one (source)');
  await expect(one.write([1], { maxTokens: 2, source: [1], overflow: 'slide' }).next()).rejects.toThrow('a text with a source cannot slide');
  one.release();
});

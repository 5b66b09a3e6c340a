/** A real encoder-decoder, trained by others, must write what its authors expect, greedily and by beam search. Its files are not in the repository. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { arange, jit, tensor, type Tensor } from '@ashlar/tensor';
import { wasm } from '@ashlar/wasm';
import { readParameters, readSafetensors, type HostTensor, type ModulePair, type TensorTable } from '@ashlar/hub';
import { build, type EncoderDecoder } from '@ashlar/models';
import { beamSearcher, writer, type ReadablePairModel } from './index.js';

const folder = new URL('../../../../shared/data/aren/', import.meta.url);

function aren(): EncoderDecoder {
  const heads = 8, width = 32, half = width / 2;
  const model = build({
    // The step of its angles is ln(10000) / (half − 1): a base of 10000^(half / (half − 1)).
    modelType: 'encoderDecoder', sourceVocabulary: 51, vocabulary: 43, width, depth: 6, maxLength: 40, bias: true, embeddingScale: Math.sqrt(width), positional: { type: 'sinusoidal', layout: 'halves', base: 10000 ** (half / (half - 1)) },
    attention: { type: 'multiHead', heads }, crossAttention: { type: 'cross', heads }, norm: 'layerNorm', feedForward: { type: 'mlp', hidden: 128, activation: 'relu' }, tiedHead: false, headBias: true,
  }, { seed: 'none' });
  const stack = (side: string, cross: readonly ModulePair[], last: number): readonly ModulePair[] => [
    [`${side}.embeddings`, `${side}.tokens`], [`${side}.layer.N.self_attention.layer_norm`, `${side}.layers.N.residual.norms.0`], [`${side}.layer.N.self_attention.linear_0`, `${side}.layers.N.attention.qkv`], [`${side}.layer.N.self_attention.linear_1`, `${side}.layers.N.attention.output`], ...cross,
    [`${side}.layer.N.ffn.layer_norm`, `${side}.layers.N.residual.norms.${last}`], [`${side}.layer.N.ffn.linear_0`, `${side}.layers.N.feedForward.up`], [`${side}.layer.N.ffn.linear_1`, `${side}.layers.N.feedForward.down`], [`${side}.layer_norm`, `${side}.finalNorm`],
  ];
  const cross = 'decoder.layer.N.attention', ours = 'decoder.layers.N.crossAttention';
  const table: TensorTable = {
    prefix: '',
    modules: [
      ...stack('encoder', [], 1), ...stack('decoder', [[`${cross}.layer_norm`, 'decoder.layers.N.residual.norms.1'], [`${cross}.linear_0`, `${ours}.query`], [`${cross}.keys`, `${ours}.key`], [`${cross}.values`, `${ours}.value`], [`${cross}.linear_2`, `${ours}.output`]], 2),
      ['decoder.projection.bias', 'decoder.headBias'], ['decoder.projection.weight', 'decoder.head.weight'],
    ],
  };
  // Its norms are called gamma and beta, and its cross attention has keys and values in one matrix.
  const tensors = new Map([...readSafetensors(readFileSync(new URL('model.safetensors', folder))).tensors].flatMap(([stored, one]): [string, HostTensor][] => {
    const name = stored.replace('layer_', 'layer.').replace('layer.norm', 'layer_norm').replace(/gamma$/, 'weight').replace(/beta$/, 'bias'), [, before, kind] = /^(decoder\.layer\.\d+\.attention)\.linear_1\.(weight|bias)$/.exec(name) ?? [];
    if (before === undefined) return [[name, one]];
    const [rows, ...rest] = one.shape as [number], middle = one.data.length / 2, part = (data: HostTensor['data']): HostTensor => ({ ...one, shape: [rows / 2, ...rest], data });
    return [[`${before}.keys.${kind!}`, part(one.data.slice(0, middle))], [`${before}.values.${kind!}`, part(one.data.slice(middle))]];
  }));
  model.load(readParameters(table, model.namedParameters(), { name: 'aren', tensors, read: (name) => tensors.get(name)! }).values);
  expect(model.parameterCount).toBe(182_731);
  return model;
}

/** Its first position is 1. */
const placed = (model: EncoderDecoder): ReadablePairModel => ({
  vocabulary: model.vocabulary, maxLength: model.maxLength, encoder: model.encoder, cache: (options) => model.cache(options),
  encode: (source, input) => model.encode(source, { ...input, positions: 1 }),
  cachedLogits: (tokens, cache, start, input) => model.cachedLogits(tokens, cache, start, { ...input, positions: start.add(arange(tokens.shape[1]!)).add(1) }),
});

test('aren, an encoder-decoder, writes Arabic names in Latin letters, greedily and by beam search', async (context) => {
  if (!existsSync(folder)) return context.skip('../shared/data/aren is not here');
  const model = aren(), vocabulary = (name: string): string[] => [...readFileSync(new URL(name, folder), 'utf8').trimEnd().split('\n'), '<unk>'], from = vocabulary('v2-source_vocabulary.txt'), to = vocabulary('v2-target_vocabulary.txt');
  expect([from.length, to.length]).toEqual([51, 43]);
  const begin = to.indexOf('<s>'), end = to.indexOf('</s>'), idsOf = (word: string): number[] => [...word].map((letter) => from.indexOf(letter)), lettersOf = (ids: readonly number[]): string => ids.map((id) => to[id]!).join(''), started = (text: string): number[] => [begin, ...[...text].map((letter) => to.indexOf(letter))];
  await using device = await wasm({ threads: 1 });
  const reading = { model: placed(model), device, context: 16, sourceContext: 8 }, one = writer(reading), greedy: string[] = [];
  for (const word of ['آزا', 'آتزمون', 'آتشيسون', 'آرباكه', 'آرثر']) {
    const ids: number[] = [];
    for await (const token of one.write([begin], { source: idsOf(word), maxTokens: 14, temperature: 0, endTokens: [end] })) ids.push(token);
    greedy.push(lettersOf(ids));
  }
  expect(greedy).toEqual(['azza', 'atzmon', 'achison', 'arbake', 'arther']);
  one.release();

  // What CTranslate2 expects of the model with 2 and with 4 beams, from the beginning and from letters that are given.
  for (const beams of [2, 4]) {
    const search = beamSearcher({ ...reading, beams });
    const run = jit((source: Tensor, target: Tensor) => model.logits(source, target, { positions: 1, source: { positions: 1 } }), { device });
    for (const [word, given, wanted] of [['آزا', '', 'azza'], ['آتزمون', '', 'atzmon'], ['آتشيسون', '', 'achison'], ['آتزمون', 'ats', 'atsumon'], ['آتشيسون', 'ache', 'acheson'], ['آتزمون', 'atzo', 'atzomon']] as const) {
      const source = idsOf(word), prompt = started(given), found = await search.run({ prompt, source, maxTokens: 10, endTokens: [end] }), [best] = found;
      expect(given + lettersOf(best!.tokens), `${word}, ${beams} beams`).toBe(wanted);
      expect(found).toHaveLength(beams);
      expect(found.map(({ score }) => score)).toEqual(found.map(({ score }) => score).sort((a, b) => b - a));
      // The probability of each text, as the model gives it when it sees the whole.
      for (const { tokens, logProbability, score, ended } of wanted === 'atzmon' && beams === 4 ? found : []) {
        const target = Int32Array.from({ length: 12 }, (_, i) => [...prompt, ...tokens][i] ?? 0), whole = [...tokens, ...(ended ? [end] : [])], logits = await run(tensor(Int32Array.from(source), { shape: [1, source.length] }), tensor(target, { shape: [1, 12] })).data() as Float32Array;
        const sum = whole.reduce((total, token, i) => {
          const row = logits.subarray((prompt.length - 1 + i) * 43, (prompt.length + i) * 43);
          return total + row[token]! - Math.log(row.reduce((all, value) => all + Math.exp(value), 0));
        }, 0);
        expect(logProbability).toBeCloseTo(sum, 3);
        expect(score).toBeCloseTo(sum / whole.length, 3);
      }
    }
    run.release();
    search.release();
  }
});

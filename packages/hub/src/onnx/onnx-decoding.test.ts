// Decoders that go on from what they remember, in ONNX Runtime: a prompt at once, then token by token, equal to whole sequences.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, describe, test } from 'vitest';
import { build, encoderDecoder, type Decoder, type EncoderDecoder } from '@ashlar/models';
import { cross, multiHead } from '@ashlar/attention';
import { mlp, swiglu } from '@ashlar/nn';
import { layerNorm, rmsNorm } from '@ashlar/norm';
import { learned, rotary, t5Bias } from '@ashlar/positional';
import { jit, tensor, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { parseLlama2cTokenizer, scoredPiecesTokenizer } from '@ashlar/text';
import { loadHuggingFace } from '../node.js';
import { checkOnnx, openOnnx, runSession, type RuntimeInput } from '../test/run-onnx.js';
import { configOf, decodersOf, maskOf, needSizes, tokensOf, vocabulary as V } from '../test/small-models.js';
import { exportDecoderOnnx, exportOnnx } from './export-model.js';
import type { OnnxModel } from './onnx-format.js';

type Feeds = Readonly<Record<string, RuntimeInput>>;

/** What is remembered at first: no tokens, and states of zeros. */
const nothing = ({ inputs }: OnnxModel, batch: number): Feeds => Object.fromEntries(inputs.filter(({ name }) => name.startsWith('past_')).map(({ name, shape }) => {
  const sizes = shape.map((size) => (typeof size === 'number' ? size : size === 'batch_size' ? batch : 0));
  return [name, { data: new Float32Array(sizes.reduce((product, size) => product * size, 1)), shape: sizes, type: 'float32' }];
}));

/** Runs a decoder over tokens [B, T] in calls of so many; gives logits [B, T, V]. @param masks The whole attention_mask. */
async function inCalls(model: OnnxModel, tokens: RuntimeInput, calls: readonly number[], { mask, positions, more = {} }: { readonly mask?: RuntimeInput; readonly positions?: RuntimeInput; readonly more?: Feeds }): Promise<number[]> {
  checkOnnx(model);
  const session = await openOnnx(model), [B, T] = tokens.shape as [number, number], logits = new Array<number>(B * T * V), takes = (name: string): boolean => model.inputs.some((input) => input.name === name);
  const columns = ({ data, type }: RuntimeInput, from: number, to: number): RuntimeInput => ({ type, shape: [B, to - from], data: Int32Array.from({ length: B * (to - from) }, (_, i) => data[Math.floor(i / (to - from)) * T + from + i % (to - from)]!) });
  const places: RuntimeInput = positions ?? { type: 'int64', shape: [B, T], data: Int32Array.from({ length: B * T }, (_, i) => i % T) };
  let past = nothing(model, B), done = 0;
  for (const count of calls) {
    const got = await runSession(session, {
      input_ids: columns(tokens, done, done + count), ...past, ...more, ...(takes('position_ids') ? { position_ids: columns(places, done, done + count) } : {}), ...(mask && takes('attention_mask') ? { attention_mask: columns(mask, 0, done + count) } : {}),
    });
    got['logits']!.data.forEach((value, i) => { logits[(Math.floor(i / (count * V)) * T + done) * V + i % (count * V)] = value; });
    // Of the source, only what the first call gave is kept, as transformers.js does.
    past = Object.fromEntries(Object.entries(got).filter(([name]) => name.startsWith('present.')).map(([name, { data, shape }]) => {
      const given = name.replace('present', 'past_key_values');
      return [given, name.includes('.encoder.') && done > 0 ? past[given]! : { data: Float32Array.from(data), shape: [...shape], type: 'float32' }];
    }));
    done += count;
  }
  await session.release();
  return logits;
}

function expectClose(got: readonly number[], expected: ArrayLike<number>, counts: (token: number) => boolean = () => true): void {
  expect(got).toHaveLength(expected.length);
  expect(Math.max(...Array.from(expected, Math.abs))).toBeGreaterThan(0.05);
  got.forEach((value, i) => { if (counts(Math.floor(i / V))) expect(Math.abs(value - expected[i]!), `element ${i}`).toBeLessThan(1e-4); });
}

const ours = async (model: Decoder, tokens: RuntimeInput): Promise<ArrayLike<number>> => {
  const logits = await jit((x: Tensor) => model.logits(x), { device: reference() })(tensor(tokens.data, { shape: tokens.shape, dtype: 'i32' })).data();
  await model.toHost();
  return logits;
};

const shape = [2, 7] as const, tokens = tokensOf(shape), mask = maskOf(shape);
describe.each(['attention', 'positional', 'feedForward'] as const)('decoders with each %s', (kind) => {
  // Feed-forward parts see tokens one by one: what matters is those that do not.
  const made = decodersOf(kind).flatMap(([type, model]) => (model?.keepsCache && (kind !== 'feedForward' || needSizes[kind]!.includes(type)) ? [[type, model] as const] : []));
  test.each(made)('%s: a prompt, then token by token', async (type, model) => {
    const expected = await ours(model, tokens), fixed = needSizes[kind]?.includes(type) ?? false;
    if (fixed) await expect(exportDecoderOnnx(model)).rejects.toThrow(kind === 'attention' ? /length cannot be free with the attention of layer 0, which sums up all tokens in a state .*; give length: 1/ : /cannot all be free/);
    const exported = await exportDecoderOnnx(model, fixed ? { length: 1, batch: 2 } : {});
    expectClose(await inCalls(exported, tokens, fixed ? [1, 1, 1, 1, 1, 1, 1] : [4, 1, 1, 1], { mask }), expected);
    if (!fixed) expectClose(await inCalls(exported, tokens, [1, 3, 3], { mask }), expected);
  });
});

test('prompts of different lengths, padded before, each give what they give alone', async () => {
  const model = build(configOf({}), { seed: 3 }) as Decoder, exported = await exportDecoderOnnx(model), [, T] = shape, short = T - 3;
  const padded: RuntimeInput = { ...mask, data: Int32Array.from({ length: 2 * T }, (_, i) => Number(i < T || i >= T + 3)) };
  const positions: RuntimeInput = { ...mask, data: Int32Array.from({ length: 2 * T }, (_, i) => (i < T ? i : Math.max(i - T - 3, 0))) };
  const got = await inCalls(exported, tokens, [5, 1, 1], { mask: padded, positions });
  const alone = { type: 'int64', shape: [1, short], data: tokens.data.slice(T + 3) } as const, whole = { type: 'int64', shape: [1, T], data: tokens.data.slice(0, T) } as const;
  expectClose(got.slice(0, T * V), await ours(model, whole));
  expectClose(got.slice((T + 3) * V), await ours(model, alone));
  expect(exported.inputs.slice(0, 4).map(({ name, shape: sizes }) => [name, ...sizes])).toEqual([
    ['input_ids', 'batch_size', 'sequence_length'], ['attention_mask', 'batch_size', 'sequence_length + past_sequence_length'], ['position_ids', 'batch_size', 'sequence_length'], ['past_key_values.0.key', 'batch_size', 2, 'past_sequence_length', 8],
  ]);
  expect(exported.outputs.map(({ name }) => name)).toEqual(['logits', ...[0, 1].flatMap((layer) => [`present.${layer}.key`, `present.${layer}.value`])]);
});

const stack = { width: 16, depth: 2, norm: rmsNorm(), initialisation: { std: 0.3 } };
const pairs: readonly (readonly [string, EncoderDecoder])[] = [
  ['rotary', encoderDecoder({ vocabulary: V, encoder: { ...stack, maxLength: 30, positional: rotary(), feedForward: swiglu(), attention: multiHead({ heads: 2, causal: false }) }, decoder: { ...stack, maxLength: 20, positional: rotary(), feedForward: swiglu(), attention: multiHead({ heads: 2 }), crossAttention: cross({ heads: 2 }) } })],
  ['as T5', encoderDecoder({ vocabulary: V, encoder: { ...stack, positional: t5Bias(), feedForward: mlp(), attention: multiHead({ heads: 2, causal: false }) }, decoder: { ...stack, positional: t5Bias(), feedForward: mlp(), attention: multiHead({ heads: 2 }), crossAttention: cross({ heads: 2, kvHeads: 1 }) } })],
  ['as BART', encoderDecoder({ vocabulary: V, encoder: { ...stack, norm: layerNorm(), positional: learned({ maxLength: 30 }), feedForward: mlp(), bias: true, attention: multiHead({ heads: 2, causal: false }) }, decoder: { ...stack, norm: layerNorm(), positional: learned({ maxLength: 20 }), feedForward: mlp(), bias: true, attention: multiHead({ heads: 2 }), crossAttention: cross({ heads: 2 }) } })],
];
test.each(pairs)('an encoder-decoder (%s): the source is read once, then token by token', async (_, model) => {
  const source = tokensOf([2, 9], 5), seen = maskOf([2, 9], 3), exported = await exportDecoderOnnx(model), encoder = await exportOnnx(model.encoder);
  const run = jit((x: Tensor, y: Tensor, padding: Tensor) => model.logits(x, y, { source: { padding } }), { device: reference() });
  const expected = await run(tensor(source.data, { shape: source.shape, dtype: 'i32' }), tensor(tokens.data, { shape, dtype: 'i32' }), tensor(Uint32Array.from(seen.data, (value) => 1 - value), { shape: seen.shape, dtype: 'bool' })).data();
  const session = await openOnnx(encoder), states = (await runSession(session, { input_ids: source, attention_mask: seen }))['last_hidden_state']!;
  await session.release();
  const more: Feeds = { encoder_hidden_states: { data: Float32Array.from(states.data), shape: states.shape, type: 'float32' }, encoder_attention_mask: seen };
  for (const calls of [[3, 1, 1, 2], [1, 1, 1, 1, 1, 1, 1]]) expectClose(await inCalls(exported, tokens, calls, { more }), expected);
  // No others: whoever serves such decoders would give the source's mask and positions.
  expect(exported.inputs.map(({ name }) => name)).toEqual(['input_ids', 'encoder_hidden_states', 'encoder_attention_mask', ...[0, 1].flatMap((layer) => ['decoder', 'encoder'].flatMap((of) => [`past_key_values.${layer}.${of}.key`, `past_key_values.${layer}.${of}.value`]))]);
});

test('what cannot be', async () => {
  const model = build(configOf({}), { seed: 3 }) as Decoder;
  await expect(exportDecoderOnnx(model, { sourceLength: 3 })).rejects.toThrow('onnx: the source of a decoder with a cache is free; leave out sourceLength');
});

test('stories260K, exported with a cache, tells its story in ONNX Runtime', async (context) => {
  const folder = new URL('../../../../../shared/data/stories260K/', import.meta.url);
  if (!existsSync(folder)) return context.skip('../shared/data/stories260K is not here');
  const { model } = loadHuggingFace(fileURLToPath(folder), { modelType: 'decoder' }), exported = await exportDecoderOnnx(model), session = await openOnnx(exported);
  const ids = [1];
  let past = nothing(exported, 1);
  for (let t = 0; t < 200; t++) {
    const one = (value: number): RuntimeInput => ({ data: Int32Array.of(value), shape: [1, 1], type: 'int64' });
    const got = await runSession(session, { input_ids: one(ids[t]!), position_ids: one(t), attention_mask: { data: new Int32Array(t + 1).fill(1), shape: [1, t + 1], type: 'int64' }, ...past });
    const row = got['logits']!.data;
    ids.push(row.indexOf(row.reduce((largest, value) => Math.max(largest, value), -Infinity)));
    past = Object.fromEntries(Object.entries(got).filter(([name]) => name.startsWith('present.')).map(([name, { data, shape: sizes }]) => [name.replace('present', 'past_key_values'), { data: Float32Array.from(data), shape: [...sizes], type: 'float32' as const }]));
  }
  const text = scoredPiecesTokenizer(parseLlama2cTokenizer(readFileSync(new URL('tok512.bin', folder)))).decode(Int32Array.from(ids));
  expect(text).toBe(readFileSync(new URL('greedy-200.txt', folder), 'utf8').trimEnd());
}, 60_000);

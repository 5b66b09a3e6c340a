// Every part of the catalogue in a small model, exported and run in ONNX Runtime: logits equal to ours.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor as RuntimeTensor } from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { CombinationError, build, catalogue, encoder, encoderDecoder, type Decoder, type DecoderConfigInput, type Encoder, type EncoderDecoder, type PartKind } from '@ashlar/models';
import { cross, multiHead } from '@ashlar/attention';
import { mlp, swiglu, type AttentionVariant, type FeedForwardVariant, type NormVariant, type PositionalVariant, type ResidualVariant } from '@ashlar/nn';
import { layerNorm, postNorm, preNorm, rmsNorm } from '@ashlar/norm';
import { learned, rotary } from '@ashlar/positional';
import { jit, tensor, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { parseLlama2cTokenizer, scoredPiecesTokenizer } from '@ashlar/text';
import { loadHuggingFace } from '../node.js';
import { checkOnnx, runOnnx, type RuntimeInput } from '../test/run-onnx.js';
import { exportOnnx, type ExportOnnxOptions } from './export-model.js';
import { onnxBytes } from './onnx-format.js';

const [B, T, S, V] = [2, 8, 6, 11];
const ids = (count: number, seed: number): Int32Array => Int32Array.from({ length: count }, (_, i) => (i * 7 + (i >> 2) * 3 + seed) % V);
const tokens: RuntimeInput = { data: ids(B * T, 1), shape: [B, T], type: 'int64' }, source: RuntimeInput = { data: ids(B * S, 5), shape: [B, S], type: 'int64' };
/** The last three tokens of the first row. */
const paddingOf = (length: number): RuntimeInput => ({ data: Uint32Array.from({ length: B * length }, (_, i) => Number(i < length && i >= length - 3)), shape: [B, length], type: 'bool' });

async function expectEqual(model: Decoder | Encoder | EncoderDecoder, options: ExportOnnxOptions, inputs: Readonly<Record<string, RuntimeInput>>, ours: (...inputs: Tensor[]) => Tensor): Promise<Awaited<ReturnType<typeof exportOnnx>>> {
  const exported = await exportOnnx(model, { batch: B, ...options });
  checkOnnx(exported);
  const [[, got]] = Object.entries(await runOnnx(exported, inputs)) as [[string, { data: number[]; shape: readonly number[] }]];
  const result = jit(ours, { device: reference() })(...Object.values(inputs).map(({ data, shape, type }) => tensor(data, { shape, dtype: type === 'bool' ? 'bool' : 'i32' })));
  const expected = await result.data();
  expect(got.shape).toEqual(result.shape);
  expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0.05);
  expected.forEach((value, i) => expect(Math.abs(got.data[i]! - value), `element ${i}`).toBeLessThan(1e-4));
  await model.toHost();
  return exported;
}

const base = { attention: { type: 'multiHead', heads: 2 }, positional: 'rotary', norm: 'rmsNorm', residual: 'preNorm', feedForward: 'swiglu' };
const partOf = (kind: PartKind, type: string): object => ({ type, ...(catalogue[kind] as Record<string, { example: object }>)[type]!.example });
const configOf = (parts: object): DecoderConfigInput => ({ modelType: 'decoder', vocabulary: V, width: 16, depth: 2, maxLength: T, bias: true, initialisation: { std: 0.3 }, ...base, ...parts } as unknown as DecoderConfigInput);

/** A decoder with a part, beside the first of the usual parts that it goes with. */
function decoderWith(kind: PartKind, type: string): Decoder | undefined {
  const part = partOf(kind, type), others = [{}, { positional: 'learned' }, { positional: 'learned', feedForward: 'mlp' }, { norm: undefined }, { attention: { type: 'grouped', heads: 2, kvHeads: 1 } }];
  const free = kind === 'residual' ? others.map((other) => (type === 'deepNorm' || type === 'subNorm' ? { ...other, initialisation: { std: 0.3 } } : other)) : others;
  for (const other of free) {
    try { return build(configOf({ ...other, [kind]: part }), { seed: 3 }) as Decoder; } catch (error) { if (!(error instanceof CombinationError)) throw error; }
  }
  return undefined;
}

const kinds = Object.keys(catalogue) as PartKind[];
describe.each(kinds)('decoders with each %s', (kind) => {
  const made = Object.keys(catalogue[kind]).map((type) => [type, decoderWith(kind, type)] as const);
  test('are most of the catalogue', () => {
    expect(made.filter(([, model]) => !model).map(([type]) => type)).toEqual(kind === 'attention' ? ['longformer', 'bigBird', 'cross'] : []);
  });
  test.each(made.flatMap(([type, model]) => (model ? [[type, model] as const] : [])))('%s', async (_, model) => {
    for (const [name, parameter] of model.namedParameters()) if (/residual\.gains/.test(name)) parameter.write(new Float32Array(parameter.size).fill(0.6));
    await expectEqual(model, {}, { tokens }, (x) => model.logits(x));
  });
});

describe('encoders', () => {
  const make = (parts: { attention?: AttentionVariant; positional?: PositionalVariant; residual?: ResidualVariant; norm?: NormVariant; feedForward?: FeedForwardVariant } = {}, head?: Parameters<typeof encoder>[0]['head']): Encoder => encoder({
    vocabulary: V, width: 16, depth: 2, maxLength: T, attention: multiHead({ heads: 2, causal: false }), positional: learned({ maxLength: T }), norm: layerNorm(), residual: postNorm(), feedForward: mlp(), bias: true, initialisation: { std: 0.3 }, head, ...parts,
  });
  const padding = paddingOf(T);
  test('with a language head, whose padding nobody sees', async () => {
    const model = make({}, { type: 'language', transform: { activation: 'gelu', norm: true } });
    await expectEqual(model, { padding: true }, { tokens, padding }, (x, pad) => model.logits(x, { padding: pad }));
  });
  test('with a head of classes over the mean', async () => {
    const model = make({ positional: rotary(), residual: preNorm() }, { type: 'classes', classes: 3, pooling: 'mean', transform: { activation: 'tanh' } });
    await expectEqual(model, { padding: true }, { tokens, padding }, (x, pad) => model.logits(x, { padding: pad }));
  });
  test('without a head', async () => {
    const model = make();
    const { outputs } = await expectEqual(model, {}, { tokens }, (x) => model.states(x));
    expect(outputs.map(({ name }) => name)).toEqual(['states']);
  });
  test.each(['longformer', 'bigBird'])('%s attention, which is not causal', async (type) => {
    const options = partOf('attention', type), variant = (catalogue.attention as unknown as Record<string, { create(options: object): AttentionVariant }>)[type]!.create(options);
    const model = make({ attention: variant });
    await expectEqual(model, {}, { tokens }, (x) => model.states(x));
  });
});

test('an encoder-decoder, whose source is padded', async () => {
  const stack = { width: 16, depth: 2, positional: rotary(), norm: rmsNorm(), feedForward: swiglu(), initialisation: { std: 0.3 } };
  const model = encoderDecoder({ vocabulary: V, encoder: { ...stack, maxLength: S, attention: multiHead({ heads: 2, causal: false }) }, decoder: { ...stack, maxLength: T, attention: multiHead({ heads: 2 }), crossAttention: cross({ heads: 2 }) } });
  const padding = paddingOf(S);
  const exported = await expectEqual(model, { padding: true }, { source, target: tokens, padding }, (x, y, pad) => model.logits(x, y, { source: { padding: pad } }));
  expect(exported.nodes.filter(({ type }) => type === 'Attention')).toHaveLength(6);
});

describe('what the file says', () => {
  const model = build(configOf({}), { seed: 3 }) as Decoder;
  test('weights under their names, a tied one once; operators of opset 23', async () => {
    const { initializers, nodes, inputs, outputs, opset } = await exportOnnx(model, { metadata: { tokenizer: 'byte' } });
    expect([...initializers.keys()].filter((name) => !name.startsWith('constant.')).sort()).toEqual([...model.namedParameters().keys()].sort());
    expect([inputs, outputs, opset]).toEqual([[{ name: 'tokens', type: 'int64', shape: [1, T] }], [{ name: 'logits', type: 'float', shape: [1, T, V] }], 23]);
    expect(nodes.map(({ type }) => type).filter((type) => /Attention|Normalization/.test(type)).sort()).toEqual(['Attention', 'Attention', ...Array<string>(5).fill('RMSNormalization')]);
  });
  test('a model without a longest sequence must be told a length', async () => {
    const free = build(configOf({ maxLength: undefined }), { seed: 3 }) as Decoder;
    await expect(async () => exportOnnx(free)).rejects.toThrow('onnx: length is missing, as the model has no maxLength; an ONNX graph of ours has fixed shapes');
    await expect(async () => exportOnnx(model, { length: 9 })).rejects.toThrow('onnx: length must be at most the model\'s maxLength (8), got 9');
    await expect(async () => exportOnnx(free, { length: 0 })).rejects.toThrow('onnx: length must be a whole number from 1, got 0');
    await expect(async () => exportOnnx(free, { length: 4, sourceLength: 4 })).rejects.toThrow('onnx: sourceLength is of encoder-decoders alone');
    expect((await exportOnnx(free, { length: 4, batch: 3 })).inputs).toEqual([{ name: 'tokens', type: 'int64', shape: [3, 4] }]);
  });
});

test('stories260K, exported, tells its story in ONNX Runtime', async (context) => {
  const folder = new URL('../../../../../shared/data/stories260K/', import.meta.url);
  if (!existsSync(folder)) return context.skip('../shared/data/stories260K is not here');
  const { model } = loadHuggingFace(fileURLToPath(folder), { modelType: 'decoder' }), count = 201, vocabulary = 512;
  const session = await InferenceSession.create(onnxBytes(await exportOnnx(model, { length: count })), { intraOpNumThreads: 1 });
  const ids = new BigInt64Array(count);
  ids[0] = 1n;
  for (let t = 0; t + 1 < count; t++) {
    const { logits } = await session.run({ tokens: new RuntimeTensor('int64', ids, [1, count]) }), row = (logits!.data as Float32Array).subarray(t * vocabulary, (t + 1) * vocabulary);
    ids[t + 1] = BigInt(row.indexOf(row.reduce((largest, value) => Math.max(largest, value), -Infinity)));
  }
  const text = scoredPiecesTokenizer(parseLlama2cTokenizer(readFileSync(new URL('tok512.bin', folder)))).decode(Int32Array.from(ids, Number));
  expect(text).toBe(readFileSync(new URL('greedy-200.txt', folder), 'utf8').trimEnd());
}, 60_000);

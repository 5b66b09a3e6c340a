// Every part of the catalogue in a small model, exported and run in ONNX Runtime, at two shapes by one file: logits equal to ours.
import { describe, expect, test } from 'vitest';
import { build, catalogue, encoder, encoderDecoder, type Decoder, type Encoder, type EncoderDecoder } from '@ashlar/models';
import { cross, longformer, multiHead } from '@ashlar/attention';
import { mlp, swiglu, type AttentionVariant, type FeedForwardVariant, type NormVariant, type PositionalVariant, type ResidualVariant } from '@ashlar/nn';
import { layerNorm, postNorm, preNorm, rmsNorm } from '@ashlar/norm';
import { learned, rotary } from '@ashlar/positional';
import { jit, tensor, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { checkOnnx, openOnnx, runSession, type RuntimeInput } from '../test/run-onnx.js';
import { configOf, decodersOf, kinds, maskOf, needSizes, partOf, tokensOf, vocabulary as V } from '../test/small-models.js';
import { exportOnnx, type ExportOnnxOptions } from './export-model.js';

const [T, S] = [40, 36];
const shapes = [[2, 8], [3, 5]] as const;

/** `ours` is given what the file is given, masks as bool that are true where a token is padding. */
async function expectEqual(model: Decoder | Encoder | EncoderDecoder, options: ExportOnnxOptions, feeds: readonly Readonly<Record<string, RuntimeInput>>[], ours: (given: Readonly<Record<string, Tensor>>) => Tensor): Promise<Awaited<ReturnType<typeof exportOnnx>>> {
  const exported = await exportOnnx(model, options);
  checkOnnx(exported);
  const session = await openOnnx(exported), run = jit(ours as (given: Record<string, Tensor>) => Tensor, { device: reference() });
  for (const inputs of feeds) {
    const [[, got]] = Object.entries(await runSession(session, inputs)) as [[string, { data: number[]; shape: readonly number[] }]];
    const result = run(Object.fromEntries(Object.entries(inputs).map(([name, { data, shape }]) => [name, name === 'attention_mask' ? tensor(Uint32Array.from(data, (value) => Number(value === 0)), { shape, dtype: 'bool' }) : tensor(data, { shape, dtype: 'i32' })])));
    const expected = await result.data();
    expect(got.shape).toEqual(result.shape);
    expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0.05);
    expected.forEach((value, i) => expect(Math.abs(got.data[i]! - value), `element ${i}`).toBeLessThan(1e-4));
  }
  await session.release();
  await model.toHost();
  return exported;
}

describe.each(kinds)('decoders with each %s', (kind) => {
  const made = decodersOf(kind);
  test('are most of the catalogue', () => {
    expect(made.filter(([, model]) => !model).map(([type]) => type)).toEqual(kind === 'attention' ? ['longformer', 'bigBird', 'cross'] : []);
  });
  test.each(made.flatMap(([type, model]) => (model ? [[type, model] as const] : [])))('%s', async (type, model) => {
    const feed = (shape: readonly [number, number]) => ({ input_ids: tokensOf(shape), ...(model.takesPadding ? { attention_mask: maskOf(shape, 2) } : {}) });
    const ours = ({ input_ids: tokens, attention_mask: padding }: Readonly<Record<string, Tensor>>): Tensor => model.logits(tokens!, { padding });
    if (!needSizes[kind]?.includes(type)) return void await expectEqual(model, {}, (kind === 'attention' || kind === 'positional' ? shapes : shapes.slice(1)).map(feed), ours);
    await expect(exportOnnx(model)).rejects.toThrow(/^onnx: batch_size, sequence_length cannot all be free, as the graph is another at other sizes: .*; parts that compute by blocks of tokens, .*: give length a number, and batch where that does not do$/);
    for (const shape of shapes) await expectEqual(model, { batch: shape[0], length: shape[1] }, [feed(shape)], ours);
  });
});

describe('encoders', () => {
  const make = (parts: { attention?: AttentionVariant; positional?: PositionalVariant; residual?: ResidualVariant; norm?: NormVariant; feedForward?: FeedForwardVariant } = {}, head?: Parameters<typeof encoder>[0]['head'], tokenTypes?: number): Encoder => encoder({
    vocabulary: V, width: 16, depth: 2, maxLength: T, attention: multiHead({ heads: 2, causal: false }), positional: learned({ maxLength: T }), norm: layerNorm(), residual: postNorm(), feedForward: mlp(), bias: true, initialisation: { std: 0.3 }, head, tokenTypes, ...parts,
  });
  const feeds = (padded: number) => shapes.map((shape) => ({ input_ids: tokensOf(shape), attention_mask: maskOf(shape, padded) }));
  test('with a language head, whose padding nobody sees', async () => {
    const model = make({}, { type: 'language', transform: { activation: 'gelu', norm: true } });
    await expectEqual(model, {}, feeds(3), ({ input_ids: x, attention_mask: padding }) => model.logits(x!, { padding }));
  });
  test('with a head of classes over the mean', async () => {
    const model = make({ positional: rotary(), residual: preNorm() }, { type: 'classes', classes: 3, pooling: 'mean', transform: { activation: 'tanh' } });
    await expectEqual(model, {}, feeds(3), ({ input_ids: x, attention_mask: padding }) => model.logits(x!, { padding }));
  });
  test('without a head', async () => {
    const model = make();
    const { outputs } = await expectEqual(model, {}, feeds(0), ({ input_ids: x }) => model.states(x!));
    expect(outputs).toEqual([{ name: 'last_hidden_state', type: 'float', shape: ['batch_size', 'sequence_length', 16] }]);
  });
  test.each(['longformer', 'bigBird'])('%s attention, which is not causal', async (type) => {
    const options = partOf('attention', type), variant = (catalogue.attention as unknown as Record<string, { create(options: object): AttentionVariant }>)[type]!.create(options);
    const model = make({ attention: variant });
    await expectEqual(model, {}, [...shapes, [2, 2], [1, 40]].map(([batch, length]) => ({ input_ids: tokensOf([batch!, length!]), attention_mask: maskOf([batch!, length!], 1) })), ({ input_ids: x, attention_mask: padding }) => model.states(x!, { padding }));
  });
  test('longformer attention with more global tokens than the shortest sequences', async () => {
    await expect(exportOnnx(make({ attention: longformer({ heads: 2, windowKeys: 3, globalTokens: 3 }) }))).rejects.toThrow('cannot all be free');
  });
  test('with kinds of tokens', async () => {
    const model = make({}, undefined, 2), types = (shape: readonly [number, number]): RuntimeInput => ({ ...tokensOf(shape), data: tokensOf(shape).data.map((id) => id % 2) });
    await expectEqual(model, { padding: false }, shapes.map((shape) => ({ input_ids: tokensOf(shape), token_type_ids: types(shape) })), ({ input_ids: x, token_type_ids: tokenTypes }) => model.states(x!, { tokenTypes }));
  });
});

test('an encoder-decoder, whose source is padded', async () => {
  const stack = { width: 16, depth: 2, positional: rotary(), norm: rmsNorm(), feedForward: swiglu(), initialisation: { std: 0.3 } };
  const model = encoderDecoder({ vocabulary: V, encoder: { ...stack, maxLength: S, attention: multiHead({ heads: 2, causal: false }) }, decoder: { ...stack, maxLength: T, attention: multiHead({ heads: 2 }), crossAttention: cross({ heads: 2 }) } });
  const exported = await expectEqual(model, {}, shapes.map(([B, length]) => ({ input_ids: tokensOf([B, length + 3], 5), attention_mask: maskOf([B, length + 3], 3), decoder_input_ids: tokensOf([B, length]) })),
    ({ input_ids: x, attention_mask: padding, decoder_input_ids: y }) => model.logits(x!, y!, { source: { padding } }));
  expect(exported.nodes.filter(({ type }) => type === 'Attention')).toHaveLength(6);
});

describe('what the file says', () => {
  const model = build(configOf({}), { seed: 3 }) as Decoder;
  test('weights under their names, a tied one once; operators of opset 23', async () => {
    const { initializers, nodes, inputs, outputs, opset } = await exportOnnx(model, { padding: false, metadata: { tokenizer: 'byte' } });
    expect([...initializers.keys()].filter((name) => !name.startsWith('constant.')).sort()).toEqual([...model.namedParameters().keys()].sort());
    const shape = ['batch_size', 'sequence_length'];
    expect([inputs, outputs, opset]).toEqual([[{ name: 'input_ids', type: 'int64', shape }], [{ name: 'logits', type: 'float', shape: [...shape, V] }], 23]);
    expect(nodes.map(({ type }) => type).filter((type) => /Attention|Normalization|Rotary/.test(type)).sort()).toEqual(['Attention', 'Attention', ...Array<string>(5).fill('RMSNormalization'), ...Array<string>(4).fill('RotaryEmbedding')]);
  });
  test.each([{ layout: 'interleaved' }, { layout: 'halfSplit', dimensions: 4 }, { layout: 'interleaved', dimensions: 4 }, { scaling: { type: 'yarn', factor: 4, originalLength: 16 } }])('rotary positions are its RotaryEmbedding: %j', async (options) => {
    const turned = build(configOf({ positional: { type: 'rotary', ...options } }), { seed: 3 }) as Decoder;
    for (const sizes of [{}, { batch: 2, length: 8 }]) {
      const { nodes } = await expectEqual(turned, { ...sizes, padding: false }, [{ input_ids: tokensOf([2, 8]) }], ({ input_ids: x }) => turned.logits(x!));
      expect(nodes.filter(({ type }) => type === 'RotaryEmbedding')).toHaveLength(4);
    }
  });
  test('what cannot be', async () => {
    const free = build(configOf({ maxLength: undefined }), { seed: 3 }) as Decoder, mixer = build(configOf({ attention: partOf('attention', 'retention') }), { seed: 3 }) as Decoder;
    await expect(async () => exportOnnx(free)).rejects.toThrow('rotary: positions given as a tensor need a table of all positions; give the model a maxLength');
    await expect(async () => exportOnnx(model, { length: 41 })).rejects.toThrow('onnx: length must be at most the model\'s maxLength (40), got 41');
    await expect(async () => exportOnnx(free, { length: 0 })).rejects.toThrow('onnx: length must be a whole number from 1, got 0');
    await expect(async () => exportOnnx(free, { length: 4, sourceLength: 4 })).rejects.toThrow('onnx: sourceLength is of encoder-decoders alone');
    await expect(async () => exportOnnx(mixer, { length: 4, padding: true })).rejects.toThrow('onnx: the model\'s attention takes no padding; leave out padding');
    expect((await exportOnnx(free, { length: 4, padding: false })).inputs).toEqual([{ name: 'input_ids', type: 'int64', shape: ['batch_size', 4] }]);
  });
});

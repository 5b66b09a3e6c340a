import { describe, expect, test } from 'vitest';
import { cross, multiHead } from '@ashlar/attention';
import { finiteDifferences, worstDerivative } from '@ashlar/conformance';
import { mlp } from '@ashlar/nn';
import { deepNorm, layerNorm } from '@ashlar/norm';
import { learned } from '@ashlar/positional';
import { jit, tensor, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { build, encoderDecoder, parseModelConfig, type EncoderDecoderConfigInput } from './index.js';

const base = {
  modelType: 'encoderDecoder', vocabulary: 13, width: 8, depth: 2, maxLength: 8, bias: true, attention: { type: 'multiHead', heads: 2 }, crossAttention: { type: 'cross', heads: 2 }, positional: 'learned', norm: 'layerNorm', feedForward: { type: 'mlp', hidden: 12 },
  initialisation: { std: 0.4 },
} as const satisfies EncoderDecoderConfigInput;
const ints = (...rows: number[][]): Tensor => tensor(Int32Array.from(rows.flat()), { shape: [rows.length, rows[0]!.length] });
const source = ints([3, 1, 4, 1, 5], [9, 2, 6, 0, 0]), padding = ints([0, 0, 0, 0, 0], [0, 0, 0, 1, 1]).ne(0), target = ints([1, 7, 2, 8], [1, 8, 2, 0]), targets = ints([7, 2, 8, -1], [8, 2, 0, 5]);
const values = async (x: Tensor): Promise<number[]> => [...await x.data(reference())].map(Number);

describe('a pair of sequences', () => {
  test('target tokens see all of the source but its padding, and what stands before them', async () => {
    const model = build(base, { seed: 2 }), about = { source: { padding } }, plain = await values(model.logits(source, target, about));
    const otherSource = await values(model.logits(ints([3, 1, 4, 1, 6], [9, 2, 6, 0, 0]), target, about)), otherPadding = await values(model.logits(ints([3, 1, 4, 1, 5], [9, 2, 6, 7, 8]), target, about)), later = await values(model.logits(source, ints([1, 7, 3, 8], [1, 8, 2, 0]), about));
    expect(otherSource[0]).not.toBeCloseTo(plain[0]!, 4);
    expect(otherSource.slice(4 * 13)).toEqual(plain.slice(4 * 13));
    expect(otherPadding).toEqual(plain);
    expect(later.slice(0, 2 * 13)).toEqual(plain.slice(0, 2 * 13));
    expect(later[2 * 13]).not.toBeCloseTo(plain[2 * 13]!, 4);
    const alone = await values(model.logits(ints([9, 2, 6]), ints([1, 8, 2, 0])));
    alone.forEach((value, i) => expect(plain[4 * 13 + i]).toBeCloseTo(value, 5));
  });
  test('gradients of every parameter', async () => {
    const model = build({ ...base, depth: 1, embeddingNorm: true, headBias: true, logitScale: 0.5 }, { seed: 3 });
    const derivatives = await finiteDifferences({ f: () => model.loss(source, target, targets, undefined, { source: { padding } }), inputs: [], variables: model.parameters(), device: reference() });
    const { name, error } = worstDerivative(derivatives, 1e-3);
    expect(error, name).toBeLessThan(1e-4);
  });
  test.each([['reference', reference], ['wasm', wasm]] as const)('cached decoding on %s gives the logits of the whole target; the cache keeps the source and its padding, and can begin again with another', async (_, open) => {
    const device = await open(), model = build({ ...base, positional: 't5Bias', attention: { type: 'grouped', heads: 4, kvHeads: 2 }, crossAttention: { type: 'cross', heads: 4, kvHeads: 2 } }, { seed: 2 });
    const cache = model.cache({ capacity: 6 }), whole = jit((s: Tensor, t: Tensor, p: Tensor) => model.logits(s, t, { source: { padding: p } }), { device });
    const begin = jit((s: Tensor, p: Tensor, t: Tensor, start: Tensor) => model.cachedLogits(t, cache, start, { encoded: model.encode(s, { padding: p }), sourcePadding: p }), { device });
    const step = jit((t: Tensor, start: Tensor) => model.cachedLogits(t, cache, start), { device });
    const column = (from: number, to: number): Tensor => ints([1, 7, 2, 8].slice(from, to), [1, 8, 2, 0].slice(from, to));
    for (const [s, p] of [[source, padding], [ints([5, 5, 1, 2, 3], [6, 6, 6, 6, 6]), ints([0, 1, 0, 0, 0], [0, 0, 0, 0, 1]).ne(0)], [source, padding.and(padding.not())]] as const) {
      const [given, pad] = [tensor(Int32Array.from(await values(s)), { shape: [2, 5] }), tensor(Int32Array.from(await values(p.cast('i32'))), { shape: [2, 5] }).ne(0)], expected = await whole(given, target, pad).data();
      cache.trim(0);
      for (const [from, to] of [[0, 2], [2, 3], [3, 4]] as const) {
        const got = await (from === 0 ? begin(given, pad, column(from, to), cache.extend(to - from)) : step(column(from, to), cache.extend(to - from))).data(), size = (to - from) * 13;
        got.forEach((value, i) => expect(Math.abs(value - expected[(Math.floor(i / size) * 4 + from) * 13 + (i % size)]!)).toBeLessThan(1e-4));
      }
    }
    await device.close();
  });
  test('padding belongs to the first call', () => {
    const model = build(base), cache = model.cache(), at = tensor(Int32Array.of(0), { shape: [] });
    jit((t: Tensor, start: Tensor) => model.cachedLogits(t, cache, start, { encoded: model.encode(source), sourcePadding: padding }), { device: reference() })(target, at);
    expect(() => jit((t: Tensor, start: Tensor) => model.cachedLogits(t, cache, start, { sourcePadding: padding }), { device: reference() })(target, at)).toThrow('the cache keeps the padding of the context; give it with the context, in the first call');
    expect(() => model.decoder.logits(target)).toThrow('cross: context is missing');
    expect(() => jit((t: Tensor, start: Tensor) => model.cachedLogits(t, model.cache(), start), { device: reference() })(target, at)).toThrow('a cache keeps it from the first call on');
    expect(() => build({ ...base, modelType: 'decoder', crossAttention: undefined } as never)).toThrow('unknown key "crossAttention"');
  });
});

describe('two stacks', () => {
  test('share their token table, unless the source has tokens of its own', () => {
    const one = build(base), two = build({ ...base, sourceVocabulary: 20 }), apart = build({ ...base, sharedEmbedding: false });
    expect(one.encoder.tokens).toBe(one.decoder.tokens);
    expect([...one.namedParameters().keys()].filter((name) => name.includes('tokens'))).toEqual(['encoder.tokens.weight']);
    expect(two.parameterCount - one.parameterCount).toBe(20 * 8);
    expect(apart.parameterCount - one.parameterCount).toBe(13 * 8);
    expect(() => build({ ...base, sourceVocabulary: 20, sharedEmbedding: true })).toThrow('sharedEmbedding does not go with a sourceVocabulary (20) that is not the vocabulary (13)');
    expect(() => build({ ...base, encoder: { embeddingWidth: 4 } })).toThrow('sharedEmbedding does not go with token tables of different widths, 4 and 8');
  });
  test('differ in what the config says of each; what stands beside holds for both', async () => {
    const model = build({ ...base, encoder: { depth: 3, width: 12, attention: { type: 'multiHead', heads: 3 } }, decoder: { positional: 'sinusoidal', feedForward: 'swiglu', residual: 'postNorm' }, sharedEmbedding: false });
    expect([model.encoder.layers.length, model.decoder.layers.length]).toEqual([3, 2]);
    expect(model.namedParameters().get('decoder.layers.0.crossAttention.key.weight')!.shape).toEqual([8, 12]);
    expect([model.encoder.finalNorm === undefined, model.decoder.finalNorm === undefined]).toEqual([false, true]);
    expect((await values(model.logits(source, target))).every(Number.isFinite)).toBe(true);
    const parsed = parseModelConfig({ ...base, encoder: { depth: 3 } });
    expect([parsed.encoder.depth, parsed.decoder.depth, parsed.encoder.attention, parsed.decoder.attention]).toEqual([3, 2, { type: 'multiHead', heads: 2, causal: false }, { type: 'multiHead', heads: 2 }]);
    expect(parsed).not.toHaveProperty('depth');
    expect(parseModelConfig(parsed)).toEqual(parsed);
  });
  test.each<[object, string]>([
    [{ attention: undefined }, 'my.json: encoder: attention: must be of type multiHead'], [{ attention: undefined }, 'my.json: decoder: attention: must be of type multiHead'], [{ encoder: { dept: 3 } }, 'my.json: encoder: unknown key "dept"; did you mean "depth"?'],
    [{ decoder: { tokenTypes: 2 } }, 'my.json: decoder: unknown key "tokenTypes"'], [{ crossAttention: undefined }, 'my.json: crossAttention: must be of type'], [{ decoder: { depth: 0 } }, 'my.json: decoder.depth: '],
  ])('%j is refused', (change, message) => { expect(() => parseModelConfig({ ...base, ...change } as unknown, 'my.json')).toThrow(message); });
  test('attention in a wrong place is refused', () => {
    expect(() => build({ ...base, crossAttention: { type: 'multiHead', heads: 2 } })).toThrow('crossAttention cannot work with multiHead attention, which attends to its own sequence; use cross');
    expect(() => build({ ...base, attention: { type: 'cross', heads: 2 } })).toThrow('cross attention does not go with the own sequence of an encoder');
    expect(() => build({ ...base, attention: { type: 'retention', heads: 2 } })).toThrow('an encoder cannot work with retention attention');
    expect(() => build({ ...base, decoder: { attention: { type: 'retention', heads: 2 } } })).not.toThrow();
  });
  test('the same from values and from data', async () => {
    const stack = { width: 8, depth: 1, maxLength: 6, positional: learned(), norm: layerNorm(), feedForward: mlp({ hidden: 12 }) };
    const fromValues = encoderDecoder({ vocabulary: 13, encoder: { ...stack, attention: multiHead({ heads: 2, causal: false }) }, decoder: { ...stack, attention: multiHead({ heads: 2 }), crossAttention: cross({ heads: 2 }) }, seed: 5 });
    const fromData = build({ ...base, depth: 1, maxLength: 6, bias: false, initialisation: undefined }, { seed: 5 });
    expect(await values(fromValues.logits(source, target))).toEqual(await values(fromData.logits(source, target)));
  });
});

test('DeepNorm\'s α and β are those of encoder and decoder: 6 + 6 layers', async () => {
  const stack = { width: 64, depth: 6, positional: learned(), maxLength: 8, norm: layerNorm(), residual: deepNorm(), feedForward: mlp({ hidden: 64 }) };
  const model = encoderDecoder({ vocabulary: 13, encoder: { ...stack, attention: multiHead({ heads: 2, causal: false }) }, decoder: { ...stack, attention: multiHead({ heads: 2 }), crossAttention: cross({ heads: 2 }) } });
  const gain = async (name: string): Promise<number> => {
    const data = Float64Array.from(await model.namedParameters().get(name)!.values());
    return Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / data.length) / Math.sqrt(2 / 128);
  };
  for (const [name, beta] of [['encoder.layers.2.feedForward.up', 0.497], ['encoder.layers.0.attention.output', 0.497], ['decoder.layers.5.feedForward.down', 0.343], ['decoder.layers.1.crossAttention.value', 0.343], ['decoder.layers.1.crossAttention.query', 1]] as const) expect(await gain(`${name}.weight`) / beta, name).toBeCloseTo(1, 1);
  // With sublayers that give nothing, a layer is norm(α x): α shows where ε is large.
  const alpha = async (which: 'encoder' | 'decoder'): Promise<number> => {
    const one = build({ ...base, depth: 6, positional: 'none', bias: false, norm: { type: 'layerNorm', epsilon: 100 }, residual: 'deepNorm' }, { seed: 1 }), layer = one[which].layers[0]!;
    for (const [name, parameter] of layer.namedParameters()) if (/output|down/.test(name)) parameter.write(new Float32Array(parameter.size));
    const x = Float32Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? 1 : -1)), sublayers = which === 'encoder' ? 2 : 3;
    const [first] = await values(layer.residual.forward(tensor(x, { shape: [1, 1, 8] }), Array.from({ length: sublayers }, () => (inner: Tensor) => inner.mul(0))));
    // y = α x / √(α² x² + 100) for each sublayer in turn; solved for α by halving.
    const after = (a: number): number => Array.from({ length: sublayers }).reduce((value: number) => (a * value) / Math.sqrt((a * value) ** 2 + 100), 1);
    let [low, high] = [0.1, 10];
    for (let i = 0; i < 60; i++) [low, high] = after((low + high) / 2) < first! ? [(low + high) / 2, high] : [low, (low + high) / 2];
    return low;
  };
  expect(await alpha('encoder')).toBeCloseTo(1.418, 2);
  expect(await alpha('decoder')).toBeCloseTo(2.06, 2);
});

test('operations of a pair', () => {
  const model = build({ ...base, depth: 1 }), block = 2 * 4 * 8 * 8, forward = 2 * 2 * 8 * 12;
  const encoder = block + forward + 4 * 8 * 5, decoder = block + forward + 4 * 8 * 2.5 + 2 * 2 * 8 * 8 + 4 * 8 * 5 + 2 * 13 * 8;
  expect(model.flops({ source: 5, target: 4 }).forward).toBe(5 * (encoder + 2 * 2 * 8 * 8) + 4 * decoder);
  expect(model.parameterCounts).toEqual({ embedding: 13 * 8, positional: 2 * 8 * 8, attention: 3 * (4 * 64 + 32), feedForward: 2 * (2 * 96 + 20), norm: (2 + 3 + 2) * 16, head: 0 });
});

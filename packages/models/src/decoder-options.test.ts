import { describe, expect, test } from 'vitest';
import { multiHead } from '@ashlar/attention';
import { mlp, training } from '@ashlar/nn';
import { rmsNorm } from '@ashlar/norm';
import { noPositions } from '@ashlar/positional';
import { jit, tensor, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { build, decoder, type Decoder, type DecoderConfigInput } from './index.js';

const base: DecoderConfigInput = {
  modelType: 'decoder', vocabulary: 50, width: 16, depth: 3, maxLength: 9, attention: { type: 'multiHead', heads: 2 }, positional: 'rotary', norm: 'rmsNorm', feedForward: 'swiglu', initialisation: { std: 0.3 },
};
const shape = [2, 6], tokens = tensor(Int32Array.from({ length: 12 }, (_, i) => (i * 7) % 50), { shape }), targets = tensor(Int32Array.from({ length: 12 }, (_, i) => (i * 11 + 3) % 50), { shape });
const key = (a: number): Tensor => tensor(Uint32Array.of(a, 9));
const device = reference();
const lossOf = async (model: Decoder, at?: Tensor): Promise<number> => {
  const loss = await jit(() => (at ? training({ key: at }, () => model.loss(tokens, targets)) : model.loss(tokens, targets)), { device })().item();
  await model.toHost();
  return loss;
};

describe('a factorised embedding', () => {
  const small = build({ ...base, embeddingWidth: 4 }), whole = build(base), untied = build({ ...base, embeddingWidth: 4, tiedHead: false });
  test('has a narrow table and a projection each way', () => {
    expect(small.tokens.weight.shape).toEqual([50, 4]);
    expect(small.parameterCount - whole.parameterCount).toBe(50 * 4 + 2 * 4 * 16 - 50 * 16);
    expect(untied.parameterCount - small.parameterCount).toBe(50 * 16 - 4 * 16);
    expect([small.headProjection?.weight.shape, untied.headProjection, untied.head?.weight.shape]).toEqual([[4, 16], undefined, [50, 16]]);
    expect(small.parameterCounts).toMatchObject({ embedding: 50 * 4 + 16 * 4, head: 4 * 16 });
    expect(small.flopsPerToken(6).forward - whole.flopsPerToken(6).forward).toBe(2 * (50 * 4 + 2 * 4 * 16 - 50 * 16));
    expect(build({ ...base, embeddingWidth: 16 }).embeddingProjection).toBeUndefined();
  });
  test('is the table times the projection', async () => {
    const table = await small.tokens.weight.values(), projection = await small.embeddingProjection!.weight.values();
    const rows = Float32Array.from({ length: 50 * 16 }, (_, i) => Array.from({ length: 4 }, (__, e) => table[Math.floor(i / 16) * 4 + e]! * projection[(i % 16) * 4 + e]!).reduce((sum, one) => sum + one));
    const joined = build({ ...base, tiedHead: false });
    joined.load(new Map(await Promise.all([...joined.namedParameters()].map(async ([name]) => [name, name === 'tokens.weight' ? rows : Float32Array.from(name === 'head.weight' ? await untied.head!.weight.values() : await untied.namedParameters().get(name)!.values())] as const))));
    const narrow = build({ ...base, embeddingWidth: 4, tiedHead: false });
    narrow.load(new Map(await Promise.all([...narrow.namedParameters()].map(async ([name]) => [name, Float32Array.from(name === 'tokens.weight' ? table : name === 'embeddingProjection.weight' ? projection : await untied.namedParameters().get(name)!.values())] as const))));
    const [a, b] = [await joined.logits(tokens).data(device), await narrow.logits(tokens).data(device)];
    a.forEach((value, i) => expect(b[i]).toBeCloseTo(value, 4));
  });
});

describe('stochastic depth', () => {
  const model = build({ ...base, dropout: { depth: 0.6 } }, { seed: 1 });
  test('leaves out sublayers in training alone', async () => {
    const plain = await lossOf(build(base, { seed: 1 }));
    expect(await lossOf(model)).toBe(plain);
    const dropped = new Set<number>();
    for (const seed of [1, 2, 3, 4, 5, 6]) dropped.add(await lossOf(model, key(seed)));
    expect(dropped.size).toBeGreaterThan(3);
  });
  test('never in the first layer of several, most in the last', async () => {
    // With the last layer always left out, its weights change nothing; the first layer's always do.
    const last = build({ ...base, dropout: { depth: 0.999999 } }, { seed: 1 }), before = await lossOf(last, key(1));
    for (const [name, parameter] of last.namedParameters()) if (name.startsWith('layers.2.')) parameter.write(new Float32Array(parameter.size).fill(0.3));
    expect(await lossOf(last, key(1))).toBeCloseTo(before, 6);
    for (const [name, parameter] of last.namedParameters()) if (name.startsWith('layers.0.attention')) parameter.write(new Float32Array(parameter.size).fill(0.3));
    expect(await lossOf(last, key(1))).not.toBeCloseTo(before, 3);
  });
});

test('losses of a mixture of experts reach the model\'s, in training alone', async () => {
  const experts = (balanceLoss: number, zLoss: number): Decoder => build({ ...base, feedForward: { type: 'mixtureOfExperts', experts: 4, hidden: 8, balanceLoss, zLoss } }, { seed: 2 });
  const plain = await lossOf(experts(0, 0)), [none, balanced, zed, both] = await Promise.all([experts(0, 0), experts(0.5, 0), experts(0, 0.25), experts(0.5, 0.25)].map((model) => lossOf(model, key(1)))) as [number, number, number, number];
  expect(none).toBeCloseTo(plain, 6);
  expect(await lossOf(experts(0.5, 0.25))).toBe(plain);
  // Balance is at least about 1 a layer: E Σ f P.
  expect(balanced - none).toBeGreaterThan(0.5 * 3 * 0.8);
  expect(zed).toBeGreaterThan(none);
  expect(both - none).toBeCloseTo(balanced - none + zed - none, 5);
});

test.each([['deepNorm', (8 * 3) ** -0.25], ['subNorm', Math.sqrt(Math.log(6))]])('%s: how its layers begin', async (residual, gain) => {
  const model = build({ ...base, width: 64, depth: 3, residual } as DecoderConfigInput);
  const std = async (name: string, from = 0, to = 1): Promise<number> => {
    const data = Float64Array.from(await model.namedParameters().get(name)!.values()), part = data.slice(from * data.length, to * data.length);
    return Math.sqrt(part.reduce((sum, value) => sum + value * value, 0) / part.length);
  };
  const xavier = (a: number, b: number): number => Math.sqrt(2 / (a + b)), hidden = model.namedParameters().get('layers.0.feedForward.up.weight')!.shape[0]!;
  expect(await std('layers.1.attention.qkv.weight', 0, 1 / 3) / xavier(64, 64)).toBeCloseTo(1, 1);
  expect(await std('layers.1.attention.qkv.weight', 1 / 3, 2 / 3) / xavier(64, 64)).toBeCloseTo(1, 1);
  expect(await std('layers.1.attention.qkv.weight', 2 / 3, 1) / xavier(64, 64) / gain).toBeCloseTo(1, 1);
  expect(await std('layers.1.attention.output.weight') / xavier(64, 64) / gain).toBeCloseTo(1, 1);
  for (const name of ['up', 'gate', 'down']) expect(await std(`layers.2.feedForward.${name}.weight`) / xavier(64, hidden) / gain).toBeCloseTo(1, 1);
  expect(await std('tokens.weight') / 0.3).toBeCloseTo(1, 1);
});

describe('the head and the embeddings', () => {
  const fromValues = { vocabulary: 5, width: 8, depth: 1, attention: multiHead({ heads: 2 }), positional: noPositions(), norm: rmsNorm(), feedForward: mlp() };
  const logits = async (more: object, write: (model: Decoder) => void = () => {}): Promise<number[]> => {
    const model = build({ ...base, ...more } as DecoderConfigInput, { seed: 1 });
    write(model);
    return [...await model.logits(tokens).data(device)].map(Number);
  };
  const near = (got: readonly number[], expected: readonly number[]): void => expected.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 4));
  test('logitScale, headBias and logitSoftcap: cap · tanh((scale · x Wᵀ + b) / cap)', async () => {
    const plain = await logits({}), bias = Float32Array.from({ length: 50 }, (_, i) => Math.sin(i));
    near(await logits({ logitScale: 0.25 }), plain.map((value) => value / 4));
    near(await logits({ logitScale: 0.25, headBias: true, logitSoftcap: 2 }, (model) => model.headBias!.write(bias)), plain.map((value, i) => 2 * Math.tanh((value / 4 + bias[i % 50]!) / 2)));
    expect([true, 'fixed'].map((headBias) => build({ ...base, headBias } as DecoderConfigInput).headBias!.trainable)).toEqual([true, false]);
    for (const [name, value] of [['logitScale', -1], ['logitSoftcap', 0]] as const) expect(() => decoder({ ...fromValues, [name]: value })).toThrow(`decoder: ${name} must be greater than 0, got ${value}`);
  });
  test('a padded vocabulary has more rows, and the logits of its tokens alone', async () => {
    for (const tiedHead of [true, false]) {
      const padded = build({ ...base, tiedHead, vocabularyMultiple: 64 }), plain = build({ ...base, tiedHead });
      expect([padded.tokens.weight.shape, padded.vocabulary, padded.parameterCount - plain.parameterCount]).toEqual([[64, 16], 50, (tiedHead ? 1 : 2) * 14 * 16]);
      for (const [name, parameter] of padded.namedParameters()) parameter.write(Float32Array.from({ length: parameter.size }, (_, i) => [...name].length * Math.sin(i)));
      for (const [name, parameter] of plain.namedParameters()) parameter.write(Float32Array.from({ length: parameter.size }, (_, i) => [...name].length * Math.sin(i)));
      near([...await padded.logits(tokens).data(device)].map(Number), [...await plain.logits(tokens).data(device)].map(Number));
    }
  });
  test('embeddingScale multiplies the token embeddings, embeddingNorm normalizes the sum', async () => {
    const scaled = (factor: number) => (model: Decoder): void => { void model.tokens.weight.write(Float32Array.from({ length: 50 * 16 }, (_, i) => factor * Math.cos(i))); };
    near(await logits({ embeddingScale: 4, tiedHead: false }, scaled(1)), await logits({ tiedHead: false }, scaled(4)));
    const normed = (factor: number) => logits({ embeddingNorm: true, tiedHead: false, norm: { type: 'rmsNorm', epsilon: 1e-12 } }, scaled(factor));
    near(await normed(1), await normed(3));
    expect(build({ ...base, embeddingNorm: true }).parameterCounts.norm - build(base).parameterCounts.norm).toBe(16);
    expect(() => decoder({ ...fromValues, embeddingScale: 0 })).toThrow('decoder: embeddingScale must be greater than 0, got 0');
  });
});

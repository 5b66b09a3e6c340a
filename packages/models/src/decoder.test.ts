import { describe, expect, test } from 'vitest';
import { finiteDifferences, worstDerivative } from '@ashlar/conformance';
import { jit, tensor, type Device, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { webgpu } from '@ashlar/webgpu-node';
import { build, type DecoderConfigInput } from './index.js';

const gpt: DecoderConfigInput = {
  modelType: 'decoder', vocabulary: 13, width: 8, depth: 2, maxLength: 9, bias: true,
  attention: { type: 'multiHead', heads: 2 }, positional: 'learned', norm: 'layerNorm', feedForward: { type: 'mlp', hidden: 12 }, initialisation: { std: 0.3 },
};
const llama: DecoderConfigInput = {
  modelType: 'decoder', vocabulary: 13, width: 8, depth: 2, maxLength: 9, tiedHead: false,
  attention: { type: 'grouped', heads: 4, kvHeads: 2 }, positional: 'rotary', norm: 'rmsNorm', feedForward: { type: 'swiglu', hidden: 12 }, initialisation: { std: 0.3 },
};
const post: DecoderConfigInput = { ...gpt, residual: 'postNorm', positional: { type: 'rotary', layout: 'interleaved' }, feedForward: 'geglu' };
const models: [string, DecoderConfigInput][] = [['GPT', gpt], ['Llama', llama], ['post-norm', post]];
const sequence = (length: number, seed: number): Int32Array => Int32Array.from({ length }, (_, i) => (seed * 31 + i * i * 7 + 3 * i) % 13);

describe('nanoGPT\'s CPU recipe', () => {
  const model = build({ modelType: 'decoder', vocabulary: 65, width: 128, depth: 4, maxLength: 64, attention: { type: 'multiHead', heads: 4 }, positional: 'learned', norm: 'layerNorm', feedForward: 'mlp' });
  test('has 804,096 parameters, 795,904 by nanoGPT\'s count, which leaves out the positions', () => {
    expect(model.parameterCount).toBe(804_096);
    expect(model.parameterCount - model.parameterCounts.positional).toBe(795_904);
    expect(model.parameterCounts).toEqual({ embedding: 65 * 128, positional: 64 * 128, attention: 4 * 4 * 128 * 128, feedForward: 4 * 8 * 128 * 128, norm: 9 * 128, head: 0 });
  });
  test('operations a token', () => {
    const products = 4 * 12 * 128 * 128 + 65 * 128;
    expect(model.flopsPerToken(64).forward).toBe(2 * products + 4 * 4 * 128 * 32.5);
    expect(model.flopsPerToken(64).training).toBe(3 * model.flopsPerToken(64).forward);
  });
  test('begins as GPT-2 does: std 0.02, and 0.02 / √8 where a sublayer ends', async () => {
    const std = async (name: string): Promise<number> => {
      const data = Float64Array.from(await model.namedParameters().get(name)!.values());
      return Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / data.length);
    };
    for (const name of ['tokens.weight', 'positional.weight', 'layers.0.attention.qkv.weight', 'layers.3.feedForward.up.weight']) expect(await std(name) / 0.02, name).toBeCloseTo(1, 1);
    for (const name of ['layers.0.attention.output.weight', 'layers.3.feedForward.down.weight']) expect(await std(name) / (0.02 / Math.sqrt(8)), name).toBeCloseTo(1, 1);
  });
});

describe.each(models)('%s', (_, config) => {
  test('gradients of every parameter', async () => {
    const model = build(config, { seed: 3 }), shape = [2, 5];
    const tokens = tensor(sequence(10, 1), { shape }), targets = tensor(sequence(10, 2).map((token, i) => (i === 3 ? -1 : token)), { shape });
    const derivatives = await finiteDifferences({ f: () => model.loss(tokens, targets), inputs: [], variables: model.parameters(), device: reference() });
    expect(derivatives.length).toBe(2 * model.parameters().length);
    const { name, error } = worstDerivative(derivatives, 1e-3);
    expect(error, name).toBeLessThan(1e-4);
  });

  test.each<[string, () => Device | Promise<Device>]>([['reference', reference], ['wasm', wasm], ['webgpu', () => webgpu({ adapter: 'swiftshader' })]])('%s: a later token changes no earlier logit by a bit', async (_, make) => {
    const device = await make();
    const model = build(config, { seed: 3 }), T = 9, V = 13, logits = jit((tokens: Tensor) => model.logits(tokens), { device });
    const before = sequence(T, 1), rows = await logits(tensor(before, { shape: [1, T] })).data();
    for (const at of [0, 4, T - 1]) {
      const changed = await logits(tensor(before.map((token, i) => (i === at ? (token + 1) % 13 : token)), { shape: [1, T] })).data();
      expect(changed.slice(0, at * V)).toEqual(rows.slice(0, at * V));
      for (let t = at; t < T; t++) expect(changed.slice(t * V, (t + 1) * V), `position ${t}`).not.toEqual(rows.slice(t * V, (t + 1) * V));
    }
    await device.close();
  });

  test('the loss is the mean cross-entropy of the logits', async () => {
    const model = build(config, { seed: 3 }), shape = [2, 5], tokens = sequence(10, 1), targets = sequence(10, 2), weights = Float32Array.from({ length: 10 }, (_, i) => i % 3);
    const logits = await model.logits(tensor(tokens, { shape })).data(reference());
    let total = 0, share = 0;
    targets.forEach((target, i) => {
      const row = [...logits.slice(13 * i, 13 * i + 13)].map(Number);
      total += weights[i]! * (Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0)) - row[target]!);
      share += weights[i]!;
    });
    expect(await model.loss(tensor(tokens, { shape }), tensor(targets, { shape }), tensor(weights, { shape })).item(reference())).toBeCloseTo(total / share, 5);
  });

  test('a shifted start gives the logits of those positions', async () => {
    if (config === gpt) return expect(() => build(gpt).logits(tensor(sequence(4, 1), { shape: [1, 4] }), { positions: 6 })).toThrow('a sequence of 4 from 6 needs 10');
    const model = build(config, { seed: 3 }), tokens = tensor(sequence(4, 1), { shape: [1, 4] });
    const [here, there] = [await model.logits(tokens).data(reference()), await model.logits(tokens, { positions: 1000 }).data(reference())];
    here.forEach((value, i) => expect(there[i]).toBeCloseTo(value, 4));
  });
});

test('what logits refuses', () => {
  const model = build(gpt);
  expect(() => model.logits(tensor(sequence(10, 1), { shape: [1, 10] }))).toThrow('a sequence may have up to 9 tokens (maxLength), got 10');
  expect(() => model.logits(tensor(sequence(4, 1)))).toThrow('tokens must be [B, T], got [4]');
});

test('a tied head adds no parameter, and is trained from both ends', async () => {
  const tied = build(gpt), untied = build({ ...gpt, tiedHead: false });
  expect(untied.parameterCount - tied.parameterCount).toBe(13 * 8);
  expect(untied.parameterCounts.head).toBe(13 * 8);
  expect([...tied.namedParameters().keys()]).not.toContain('head.weight');
});

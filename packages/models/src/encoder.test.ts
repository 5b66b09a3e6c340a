import { describe, expect, test } from 'vitest';
import { jit, tensor, type Tensor } from '@ashlar/tensor';
import { training } from '@ashlar/nn';
import { reference } from '@ashlar/tensor/reference';
import { build, type EncoderConfigInput } from './index.js';

const base = {
  modelType: 'encoder', vocabulary: 13, width: 8, depth: 2, maxLength: 6, bias: true, attention: { type: 'multiHead', heads: 2 }, positional: 'learned', norm: 'layerNorm', residual: 'postNorm', feedForward: 'mlp', initialisation: { std: 0.4 },
} as const satisfies EncoderConfigInput;
const shape = [2, 5], data = [3, 1, 4, 1, 5, 9, 2, 6, 5, 12], tokens = tensor(Int32Array.from(data), { shape }), padding = tensor(Int32Array.of(0, 0, 0, 1, 1, 0, 0, 0, 0, 0), { shape }).ne(0);
const values = async (x: Tensor): Promise<number[]> => [...await x.data(reference())].map(Number);
const withHead = (head: EncoderConfigInput['head'], more: object = {}) => build({ ...base, ...more, head } as EncoderConfigInput, { seed: 2 });
const biased = <M extends ReturnType<typeof withHead>>(model: M): M => {
  for (const [i, parameter] of model.parameters().filter(({ shape: { length } }) => length === 1).entries()) parameter.write(Float32Array.from({ length: parameter.size }, (_, k) => 0.3 + ((i + k) % 5) / 7));
  return model;
};
const host = async (model: ReturnType<typeof withHead>, name: string): Promise<number[]> => [...await model.namedParameters().get(name)!.values()].map(Number);

describe('tokens see each other both ways', () => {
  test('a later token changes an earlier state, padding changes none', async () => {
    const model = build(base, { seed: 2 }), change = (at: number) => tensor(Int32Array.from(data, (token, i) => (i === at ? 11 : token)), { shape });
    const [plain, later, padded, changed] = await Promise.all([values(model.states(tokens)), values(model.states(change(4))), values(model.states(tokens, { padding })), values(model.states(change(4), { padding }))]);
    expect(later[0]).not.toBeCloseTo(plain[0]!, 4);
    for (let i = 0; i < 3 * 8; i++) expect(changed[i]).toBe(padded[i]);
    const alone = await values(model.states(tokens.slice([0, 1], [0, 3])));
    alone.forEach((value, i) => expect(padded[i]).toBeCloseTo(value, 5));
  });
  test('attention that cannot is refused', () => {
    expect(() => build({ ...base, attention: { type: 'multiHead', heads: 2, causal: true } })).toThrow('an encoder cannot work with multiHead attention that is causal');
    expect(() => build({ ...base, attention: { type: 'multiHead', heads: 2, mask: { type: 'slidingWindow', windowKeys: 2 } } })).toThrow('an encoder cannot work with multiHead attention that is causal');
    expect(() => build({ ...base, attention: { type: 'retention', heads: 2 } })).toThrow('an encoder cannot work with retention attention that is causal');
    expect(() => build(base).logits(tokens)).toThrow("encoder: logits needs a head, and the model has none; use states or embed, or build it with a head such as { type: 'language' }");
    // @ts-expect-error an encoder has no cache
    expect(build(base).cache).toBeUndefined();
  });
});

test('token types: their vectors are added; the first kind where none is given', async () => {
  const model = build({ ...base, tokenTypes: 2 }, { seed: 2 }), types = tensor(Int32Array.of(0, 0, 1, 1, 1, 0, 0, 0, 0, 0), { shape });
  const [plain, zeros, typed] = await Promise.all([model.states(tokens), model.states(tokens, { tokenTypes: types.mul(0) }), model.states(tokens, { tokenTypes: types })].map(values));
  expect(zeros).toEqual(plain);
  expect(typed).not.toEqual(plain);
  expect(model.parameterCounts.embedding).toBe((13 + 2) * 8);
  expect(() => build(base).states(tokens, { tokenTypes: types })).toThrow('encoder: the model has no tokenTypes; leave them out, or build it with tokenTypes: 2');
});

describe('heads', () => {
  const dense = (row: readonly number[], weight: readonly number[], bias: readonly number[]): number[] => bias.map((b, o) => row.reduce((sum, value, i) => sum + value * weight[o * row.length + i]!, b));
  const layerNorm = (row: readonly number[], gain: readonly number[], bias: readonly number[]): number[] => {
    const mean = row.reduce((a, b) => a + b) / row.length, variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length;
    return row.map((value, i) => ((value - mean) / Math.sqrt(variance + 1e-5)) * gain[i]! + bias[i]!);
  };
  const rowsOf = (flat: readonly number[], width: number): number[][] => Array.from({ length: flat.length / width }, (_, r) => flat.slice(r * width, (r + 1) * width));

  test('language: a transform, the token table, a bias a token', async () => {
    const model = biased(withHead({ type: 'language', transform: { activation: 'tanh', norm: true }, headBias: true })), logits = rowsOf(await values(model.logits(tokens, { padding })), 13);
    const [weight, bias, gain, offset, table, last] = await Promise.all(['head.transform.dense.weight', 'head.transform.dense.bias', 'head.transform.norm.gain', 'head.transform.norm.bias', 'tokens.weight', 'head.output.bias'].map((name) => host(model, name)));
    rowsOf(await values(model.states(tokens, { padding })), 8).forEach((state, r) => {
      const inner = layerNorm(dense(state, weight!, bias!).map(Math.tanh), gain!, offset!);
      dense(inner, table!, last!).forEach((value, v) => expect(logits[r]![v]).toBeCloseTo(value, 4));
    });
  });
  test.each(['first', 'mean'] as const)('classes of the %s state, with a transform as BERT\'s pooler', async (pooling) => {
    const model = biased(withHead({ type: 'classes', classes: 3, pooling, transform: { activation: 'tanh' } })), logits = rowsOf(await values(model.logits(tokens, { padding })), 3), states = rowsOf(await values(model.states(tokens, { padding })), 8);
    const [weight, bias, out, last] = await Promise.all(['head.transform.dense.weight', 'head.transform.dense.bias', 'head.output.weight', 'head.output.bias'].map((name) => host(model, name)));
    for (const [b, count] of [3, 5].entries()) {
      const own = states.slice(5 * b, 5 * b + count), vector = pooling === 'first' ? own[0]! : own[0]!.map((_, c) => own.reduce((sum, row) => sum + row[c]!, 0) / count);
      dense(dense(vector, weight!, bias!).map(Math.tanh), out!, last!).forEach((value, k) => expect(logits[b]![k]).toBeCloseTo(value, 4));
    }
    const targets = tensor(Int32Array.of(2, 0)), expected = logits.reduce((sum, row, b) => sum + Math.log(row.reduce((total, value) => total + Math.exp(value), 0)) - row[[2, 0][b]!]!, 0) / 2;
    expect(await model.loss(tokens, targets, undefined, { padding }).item(reference())).toBeCloseTo(expected, 4);
  });
  test('token classes', async () => {
    const model = biased(withHead({ type: 'tokenClasses', classes: 4 })), logits = rowsOf(await values(model.logits(tokens)), 4), [out, last] = await Promise.all(['head.output.weight', 'head.output.bias'].map((name) => host(model, name)));
    rowsOf(await values(model.states(tokens)), 8).forEach((state, r) => dense(state, out!, last!).forEach((value, k) => expect(logits[r]![k]).toBeCloseTo(value, 4)));
  });
  test('dropout of tokens leaves them out whole, in training alone', async () => {
    const model = withHead({ type: 'classes', classes: 3 }, { dropout: { token: 0.999999 }, positional: 'none' }), key = tensor(Uint32Array.of(3, 4)), targets = tensor(Int32Array.of(2, 0)), others = tokens.add(1);
    const lossOf = (given: Tensor): Tensor => model.loss(given, targets);
    expect(await lossOf(tokens).item(reference())).not.toBe(await lossOf(others).item(reference()));
    expect(await training({ key }, () => lossOf(tokens)).item(reference())).toBe(await training({ key }, () => lossOf(others)).item(reference()));
  });
  test('dropout before the last projection acts in training alone', async () => {
    const model = withHead({ type: 'classes', classes: 3, dropout: 0.5 }), plain = withHead({ type: 'classes', classes: 3 }), key = tensor(Uint32Array.of(3, 4)), targets = tensor(Int32Array.of(2, 0));
    expect(await model.loss(tokens, targets).item(reference())).toBe(await plain.loss(tokens, targets).item(reference()));
    expect(await training({ key }, () => model.loss(tokens, targets)).item(reference())).not.toBe(await training({ key }, () => plain.loss(tokens, targets)).item(reference()));
  });
  test.each<[object, string]>([
    [{ type: 'class', classes: 2 }, 'head.type: must be of type language, classes, tokenClasses, got "class"'], [{ type: 'classes' }, 'head.classes'], [{ type: 'classes', classes: 2, poling: 'mean' }, 'head: unknown key "poling"; did you mean "pooling"?'],
    [{ type: 'tokenClasses', classes: 2, pooling: 'mean' }, 'head: unknown key "pooling"'],
  ])('%j is refused', (head, message) => { expect(() => withHead(head as EncoderConfigInput['head'])).toThrow(message); });
  test('a norm after the transform needs a norm', () => {
    expect(() => withHead({ type: 'classes', classes: 2, transform: { activation: 'tanh', norm: true } }, { residual: 'reZero', norm: undefined })).toThrow('encoder: head.transform.norm needs a norm');
  });
});

test('vectors of rows: the mean of what is not padding, or the first, of length 1', async () => {
  const model = build(base, { seed: 2 }), states = await values(model.states(tokens, { padding }));
  const mean = Array.from({ length: 8 }, (_, c) => (states[c]! + states[8 + c]! + states[16 + c]!) / 3), length = Math.hypot(...mean);
  const [whole, raw, first] = await Promise.all([model.embed(tokens, { padding }), model.embed(tokens, { padding, normalized: false }), model.embed(tokens, { padding, pooling: 'first', normalized: false })].map(values));
  mean.forEach((value, c) => {
    expect(raw![c]).toBeCloseTo(value, 5);
    expect(whole![c]).toBeCloseTo(value / length, 5);
    expect(first![c]).toBe(states[c]);
  });
  const all = await values(model.embed(tokens, { padding: tensor(new Int32Array(10).fill(1), { shape }).ne(0), normalized: true }));
  expect(all.every((value) => value === 0)).toBe(true);
});

test('operations of a sequence', () => {
  const model = withHead({ type: 'classes', classes: 3, transform: { activation: 'tanh' } }), layer = 2 * (4 * 8 * 8 + 2 * 8 * 32) + 4 * 8 * 5;
  expect(model.flopsPerToken(5).forward).toBeCloseTo(2 * layer + (2 * 8 * 8 + 2 * 8 * 3) / 5, 6);
  expect(model.flopsPerToken(5).training).toBe(3 * model.flopsPerToken(5).forward);
});

test('documents that share a row give the states of each alone', async () => {
  const model = build({ ...base, positional: 'learned' }, { seed: 2 }), row = tensor(Int32Array.of(3, 1, 4, 9, 2), { shape: [1, 5] }), segments = tensor(Int32Array.of(1, 1, 1, 2, 2), { shape: [1, 5] });
  const packed = await values(jit(() => model.states(row, { segments, positions: 'restart' }), { device: reference() })());
  await model.toHost();
  const apart = [...await values(model.states(row.slice(undefined, [0, 3]))), ...await values(model.states(row.slice(undefined, [3, 5])))];
  packed.forEach((value, i) => expect(value).toBeCloseTo(apart[i]!, 5));
  expect(() => model.states(row, { positions: 'restart' })).toThrow('encoder: positions restart where a document begins; give segments [B, T] too');
});

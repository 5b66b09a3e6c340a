// What may be said of a row's tokens: documents that share it, a prefix, padding at its beginning.
import { describe, expect, test } from 'vitest';
import type { AttentionVariant } from '@ashlar/nn';
import { jit, tensor, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { build, catalogue, documentPositions, type DecoderConfigInput } from './index.js';

const base = { modelType: 'decoder', vocabulary: 11, width: 8, depth: 2, maxLength: 12, norm: 'rmsNorm', feedForward: 'swiglu', initialisation: { std: 0.4 } } as const;
const ints = (...rows: number[][]): Tensor => tensor(Int32Array.from(rows.flat()), { shape: [rows.length, rows[0]!.length] });
const values = async (x: Tensor): Promise<number[]> => [...await x.data(reference())].map(Number);
const near = (got: readonly number[], expected: readonly number[], digits = 4): void => {
  expect(got.length).toBe(expected.length);
  expected.forEach((value, i) => expect(got[i], `element ${i}`).toBeCloseTo(value, digits));
};
const entries = Object.entries(catalogue.attention as unknown as Readonly<Record<string, { readonly example: object; create(options: object): AttentionVariant }>>);
const able = (capability: 'packing' | 'prefix' | 'keyPadding'): [string, object][] => entries.filter(([, { create, example }]) => create(example).capabilities.causal && create(example).capabilities[capability]).map(([type, { example }]) => [type, { type, ...example }]);
const unable = (capability: 'packing' | 'prefix'): [string, object][] => entries.filter(([, { create, example }]) => create(example).capabilities.causal && !create(example).capabilities[capability]).map(([type, { example }]) => [type, { type, ...example }]);
const modelOf = (attention: object, positional: DecoderConfigInput['positional'] = 'learned') => build({ ...base, attention, positional } as DecoderConfigInput, { seed: 3 });

test('where tokens stand in their documents', async () => {
  expect(await values(documentPositions(ints([4, 4, 4, 2, 7, 7, 7, 7, 7], [1, 1, 1, 1, 1, 1, 1, 1, 1], [1, 2, 3, 4, 5, 6, 7, 8, 8])))).toEqual([0, 1, 2, 0, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  expect(await values(documentPositions(ints([3], [4])))).toEqual([0, 0]);
});

test.each<[object, string]>([
  [{ segments: ints([1, 2]) }, 'decoder: segments must be i32 [1, 3], got i32 [1, 2]'], [{ segments: tensor([[1, 1, 2]]) }, 'decoder: segments must be i32 [1, 3], got f32 [1, 3]'], [{ padding: ints([0, 0, 1]) }, 'decoder: padding must be bool [1, 3], got i32 [1, 3]'],
  [{ prefix: ints([1]) }, 'decoder: prefix must be i32 [1], got i32 [1, 1]'], [{ tokenTypes: ints([1, 0, 0]) }, 'decoder: the model has no tokenTypes'], [{ context: tensor([[[1]]]) }, 'decoder: the model attends to no other sequence'],
])('what has another shape or place is refused: %#', (input, message) => { expect(() => modelOf({ type: 'multiHead', heads: 2 }).logits(ints([1, 2, 3]), input)).toThrow(message); });

describe('documents in one row give what each gives alone, in loss and logits', () => {
  const row = [3, 1, 4, 9, 2, 6, 5, 8, 7, 0], next = [1, 4, -1, 2, 6, 5, -1, 7, 0, -1], segments = ints([1, 1, 1, 2, 2, 2, 2, 5, 5, 5]), ends = [[0, 3], [3, 7], [7, 10]] as const;
  test.each(able('packing'))('%s', async (_, attention) => {
    const model = modelOf(attention), packed = await values(model.logits(ints(row), { segments, positions: 'restart' }));
    const apart = await Promise.all(ends.map(([from, to]) => values(model.logits(ints(row.slice(from, to))))));
    near(packed, apart.flat());
    const losses = await Promise.all(ends.map(async ([from, to]) => (await model.loss(ints(row.slice(from, to)), ints(next.slice(from, to))).item(reference())) * (to - from - 1)));
    expect(await model.loss(ints(row), ints(next), undefined, { segments, positions: 'restart' }).item(reference())).toBeCloseTo(losses.reduce((a, b) => a + b) / 7, 4);
  });
  test.each(['rotary', 'xPos', 'alibi', 't5Bias', 'shaw'] as const)('%s positions depend on distances, and need not restart', async (positional) => {
    const model = modelOf({ type: 'multiHead', heads: 2 }, positional), packed = await values(model.logits(ints(row), { segments }));
    near(packed, (await Promise.all(ends.map(([from, to]) => values(model.logits(ints(row.slice(from, to))))))).flat());
    near(await values(model.logits(ints(row), { segments, positions: 'restart' })), packed);
  });
  test.each(unable('packing'))('%s, which cannot, throws', (_, attention) => { expect(() => modelOf(attention).logits(ints(row), { segments })).toThrow('takes no segments: put one document in a row'); });
  test('a mask that depends on places throws', () => {
    const blocks = modelOf({ type: 'multiHead', heads: 2, mask: { type: 'blockLocal', size: 3 } });
    expect(() => blocks.logits(ints(row), { segments })).toThrow('multiHead attention takes no segments');
  });
  test('a cache takes none', () => {
    for (const attention of [{ type: 'multiHead', heads: 2 }, { type: 'retention', heads: 2 }]) {
      const model = modelOf(attention), cache = model.cache();
      expect(() => jit((start: Tensor) => model.cachedLogits(ints(row), cache, start, { segments }), { device: reference() })(cache.extend(10))).toThrow('a cache holds one document a row; leave out segments');
    }
  });
});

describe('the tokens of a prefix see each other both ways', () => {
  const rows = [[3, 1, 4, 9, 2, 6], [5, 8, 7, 0, 1, 2]], prefix = tensor(Int32Array.of(4, 2));
  test.each(able('prefix'))('%s: cached as uncached', async (type, attention) => {
    const model = modelOf(attention), causal = await values(model.logits(ints(...rows))), whole = await values(model.logits(ints(...rows), { prefix })), changed = await values(model.logits(ints([3, 1, 4, 10, 2, 6], [5, 8, 10, 0, 1, 2]), { prefix }));
    expect(changed[0], `${type}: token 3 of the first row is in the prefix`).not.toBeCloseTo(whole[0]!, 4);
    near(changed.slice(6 * 11, 8 * 11), whole.slice(6 * 11, 8 * 11), 6); // token 2 of the second row is not
    expect(causal[0]).not.toBeCloseTo(whole[0]!, 4);
    const cache = model.cache(), device = reference(), part = (from: number, to: number): Tensor => ints(...rows.map((row) => row.slice(from, to)));
    const begin = jit((tokens: Tensor, start: Tensor, first: Tensor) => model.cachedLogits(tokens, cache, start, { prefix: first }), { device }), step = jit((tokens: Tensor, start: Tensor) => model.cachedLogits(tokens, cache, start), { device });
    const pieces = [await begin(part(0, 4), cache.extend(4), prefix).data(), await step(part(4, 5), cache.extend(1)).data(), await step(part(5, 6), cache.extend(1)).data()];
    for (const b of [0, 1]) near(pieces.flatMap((piece) => [...piece].slice((b * piece.length) / 2, ((b + 1) * piece.length) / 2).map(Number)), whole.slice(b * 66, (b + 1) * 66));
  });
  test.each(unable('prefix'))('%s, which cannot, throws', (_, attention) => { expect(() => modelOf(attention).logits(ints(...rows), { prefix })).toThrow('takes no prefix: use causal softmax attention'); });
});

describe('prompts of different lengths in one batch, padded at their beginning: each gives what it gives alone', () => {
  test.each(able('keyPadding').flatMap(([type, attention]) => (['learned', ...(['multiHead', 'latent'].includes(type) ? ['rotary', 'alibi'] as const : [])] as const).map((positional) => [type, positional, attention] as const)))('%s · %s, with and without a cache', async (_type, positional, attention) => {
    const model = modelOf(attention, positional), prompts = [[3, 1, 4, 9, 2], [5, 8]], then = [[6, 7], [1, 10]], device = reference();
    const tokens = ints(prompts[0]!, [0, 0, 0, ...prompts[1]!]), padding = ints([0, 0, 0, 0, 0], [1, 1, 1, 0, 0]).ne(0), missing = ints([0], [3]);
    const placed = (start: Tensor | number, count: number): Tensor => ints(Array.from({ length: count }, (_, i) => i)).add(start).sub(missing).maximum(0);
    const alone = await Promise.all(prompts.map((prompt, b) => values(model.logits(ints([...prompt, ...then[b]!])))));
    const padded = await values(model.logits(tokens, { padding, positions: placed(0, 5) }));
    near(padded.slice(0, 55), alone[0]!.slice(0, 55));
    near(padded.slice(55 + 33), alone[1]!.slice(0, 22));
    const cache = model.cache(), begin = jit((t: Tensor, start: Tensor, p: Tensor) => model.cachedLogits(t, cache, start, { padding: p, positions: placed(start, 5) }), { device }), step = jit((t: Tensor, start: Tensor) => model.cachedLogits(t, cache, start, { positions: placed(start, 1) }), { device });
    near([...await begin(tokens, cache.extend(5), padding).data()].map(Number).slice(88), alone[1]!.slice(0, 22));
    for (const k of [0, 1]) {
      const got = [...await step(ints([then[0]![k]!], [then[1]![k]!]), cache.extend(1)).data()].map(Number);
      near(got, [...alone[0]!.slice((5 + k) * 11, (6 + k) * 11), ...alone[1]!.slice((2 + k) * 11, (3 + k) * 11)]);
    }
  });
});

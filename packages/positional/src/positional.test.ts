import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { finiteDifferences, worstDerivative } from '@ashlar/conformance';
import { normalInitializer, type PositionalSite } from '@ashlar/nn';
import { tensor, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { learned, rotary, type RotaryLayout } from './index.js';

function values(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 48271) + 11) >>> 0;
    return state / 2 ** 31 - 1;
  });
}
const site = (maxLength?: number): PositionalSite => ({
  width: 6, maxLength, heads: undefined, causal: true, initializers: { weight: normalInitializer(0.02), value: normalInitializer(0.02), residual: normalInitializer(0.02) },
});

/** One head's row, turned: pairs (i, i + d/2) or (2i, 2i + 1) of the first d elements. */
function rotateLoops(row: readonly number[], position: number, layout: RotaryLayout, base: number, d: number): number[] {
  const out = [...row];
  for (let pair = 0; pair < d / 2; pair++) {
    const [a, b] = layout === 'halfSplit' ? [pair, pair + d / 2] : [2 * pair, 2 * pair + 1];
    const angle = position / base ** (2 * pair / d);
    out[a] = row[a]! * Math.cos(angle) - row[b]! * Math.sin(angle);
    out[b] = row[a]! * Math.sin(angle) + row[b]! * Math.cos(angle);
  }
  return out;
}

describe.each<RotaryLayout>(['halfSplit', 'interleaved'])('rotary, %s', (layout) => {
  const [B, H, T, D] = [2, 3, 5, 8] as const, x = values(B * H * T * D, 1);
  const expected = (positionOf: (b: number, t: number) => number, base: number, d: number): number[] => Array.from({ length: B * H * T }, (_, row) =>
    rotateLoops([...x.subarray(row * D, (row + 1) * D)], positionOf(Math.floor(row / (H * T)), row % T), layout, base, d)).flat();
  const compare = async (got: Tensor, want: number[]): Promise<void> => {
    for (const device of [reference(), await wasm()]) {
      const data = await got.data(device);
      want.forEach((value, i) => expect(data[i]).toBeCloseTo(value, 5));
      await device.close();
    }
  };
  const input = tensor(x, { shape: [B, H, T, D] });

  test('from position 0 and from another', async () => {
    const encoding = rotary({ layout }).build(site());
    await compare(encoding.rotate!(input, 0, 'query'), expected((_, t) => t, 10000, D));
    await compare(encoding.rotate!(input, 1000, 'query'), expected((_, t) => 1000 + t, 10000, D));
    await compare(encoding.rotate!(input, 0, 'query'), expected((_, t) => t, 10000, D));
  });
  test('base and dimensions', async () => {
    await compare(rotary({ layout, base: 500, dimensions: 4 }).build(site()).rotate!(input, 2, 'query'), expected((_, t) => 2 + t, 500, 4));
  });
  test('positions of each row, and of each token', async () => {
    const encoding = rotary({ layout }).build(site(64)), own = Int32Array.of(3, 4, 5, 6, 7, 0, 1, 0, 1, 63);
    await compare(encoding.rotate!(input, tensor(own, { shape: [B, T] }), 'query'), expected((b, t) => own[b * T + t]!, 10000, D));
    await compare(encoding.rotate!(input, tensor(own.slice(0, T)), 'query'), expected((_, t) => own[t]!, 10000, D));
    expect(() => rotary({ layout }).build(site()).rotate!(input, tensor(own, { shape: [B, T] }), 'query')).toThrow('give the model a maxLength');
  });
  test('scores depend on the distance alone', async () => {
    const encoding = rotary({ layout }).build(site()), [q, k] = [values(D, 5), values(D, 6)].map((data) => tensor(data, { shape: [1, 1, 1, D] })) as [Tensor, Tensor];
    const score = (at: number, from: number) => encoding.rotate!(q, at, 'query').mul(encoding.rotate!(k, from, 'query')).sum().item(reference());
    expect(await score(7, 3)).toBeCloseTo(await score(104, 100), 5);
    expect(await score(7, 3)).not.toBeCloseTo(await score(7, 4), 3);
  });
  test('gradients', async () => {
    for (const options of [{ layout }, { layout, dimensions: 6 }]) {
      const encoding = rotary(options).build(site());
      expect(worstDerivative(await finiteDifferences({ f: (given) => encoding.rotate!(given!, 3, 'query').tanh().sum(), inputs: [input], device: reference() })).error).toBeLessThan(1e-5);
    }
  });
});

test('what rotary refuses', () => {
  expect(() => rotary({ base: 0 })).toThrow('rotary: base must be greater than 0, got 0');
  expect(() => rotary({ layout: 'halves' as RotaryLayout })).toThrow('rotary: layout must be halfSplit or interleaved, got "halves"');
  expect(() => rotary({ dimensions: 3 })).toThrow('rotary: dimensions must be even, got 3');
  expect(() => rotary().build(site()).checkHeadWidth!(7)).toThrow('the head width must be even, got 7');
  expect(() => rotary({ dimensions: 16 }).build(site()).checkHeadWidth!(8)).toThrow('dimensions must be at most the head width (8), got 16');
});

const vectors = new URL('../../../../shared/data/rope-alibi.json', import.meta.url);
test('CTranslate2\'s rotary vectors', async (context) => {
  if (!existsSync(vectors)) return context.skip('../shared/data/rope-alibi.json is not here');
  const { rope } = JSON.parse(readFileSync(vectors, 'utf8')) as { rope: { interleaved: boolean; base: number; offset: number; input: number[]; expected: number[] } };
  const encoding = rotary({ base: rope.base, layout: rope.interleaved ? 'interleaved' : 'halfSplit' }).build(site());
  const got = await encoding.rotate!(tensor(Float32Array.from(rope.input), { shape: [2, 4, 2, 6] }), rope.offset, 'query').data(reference());
  expect(rope.expected.length).toBe(96);
  rope.expected.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 5));
});

describe('learned', () => {
  test('adds the rows of its table', async () => {
    const encoding = learned({ maxLength: 9 }).build(site());
    encoding.initialize(4);
    const [table, x] = [await encoding.parameters()[0]!.values(), values(2 * 4 * 6, 3)];
    const at = (positionOf: (b: number, t: number) => number) => Array.from(x, (value, i) => value + table[positionOf(Math.floor(i / 24), Math.floor(i / 6) % 4) * 6 + i % 6]!);
    const input = tensor(x, { shape: [2, 4, 6] }), own = Int32Array.of(0, 1, 2, 3, 8, 0, 0, 5);
    for (const [got, want] of [
      [encoding.embed!(input, 0), at((_, t) => t)], [encoding.embed!(input, 5), at((_, t) => 5 + t)],
      [encoding.embed!(input, tensor(own, { shape: [2, 4] })), at((b, t) => own[4 * b + t]!)],
    ] as const) expect([...await got.data(reference())].map((value, i) => value - want[i]!).every((difference) => Math.abs(difference) < 1e-6)).toBe(true);
    const f = (given: Tensor | undefined) => encoding.embed!(given!, 2).tanh().sum().add(encoding.embed!(given!, tensor(own, { shape: [2, 4] })).square().sum());
    expect(worstDerivative(await finiteDifferences({ f, inputs: [input], variables: encoding.parameters(), device: reference() })).error).toBeLessThan(1e-5);
  });
  test('throws past its end, and where it cannot know it', () => {
    const encoding = learned().build(site(9)), input = tensor(values(24, 1), { shape: [1, 4, 6] });
    expect(encoding.maxLength).toBe(9);
    expect(encoding.embed!(input, 5).shape).toEqual([1, 4, 6]);
    expect(() => encoding.embed!(input, 6)).toThrow('there are 9 positions, and a sequence of 4 from 6 needs 10');
    expect(() => learned().build(site())).toThrow('give maxLength to it or to the model');
    expect(() => learned({ maxLength: 8 }).build(site(9))).toThrow("maxLength must be at least the model's (9), got 8");
    expect(() => learned({ maxLength: 0 })).toThrow('learned: maxLength must be a whole number from 1, got 0');
  });
});

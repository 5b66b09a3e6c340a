import { describe, expect, test } from 'vitest';
import { decodingCache } from '@ashlar/attention';
import { jit, tensor, type Device, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { build, type DecoderConfigInput } from './index.js';

const config = { modelType: 'decoder', vocabulary: 11, width: 16, depth: 3, maxLength: 24, positional: 'rotary', norm: 'rmsNorm', feedForward: 'swiglu', initialisation: { std: 0.3 } } as const;
const attentions: Record<string, DecoderConfigInput['attention']> = {
  multiHead: { type: 'multiHead', heads: 2 }, 'grouped with sinks': { type: 'grouped', heads: 4, kvHeads: 2, sinks: true },
  'a window, which rolls': { type: 'grouped', heads: 4, kvHeads: 2, mask: { type: 'slidingWindow', windowKeys: 3 } },
  latent: { type: 'latent', heads: 2, kvRank: 6, rotatedWidth: 4 }, topK: { type: 'topK', heads: 2, keys: 3 },
  'a pattern of a window, a latent and a recurrent state': {
    type: 'perLayer', order: 'LGR', variants: { L: { type: 'grouped', heads: 4, kvHeads: 2, mask: { type: 'slidingWindow', windowKeys: 3 } }, G: { type: 'latent', heads: 2, kvRank: 6, rotatedWidth: 4 }, R: { type: 'deltaRule', heads: 2 } },
  },
  retention: { type: 'retention', heads: 2 },
};
const text = Int32Array.of(3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4);
const tokens = (from: number, to: number): Tensor => tensor(text.slice(from, to), { shape: [1, to - from] });

describe.each<[string, () => Device | Promise<Device>]>([['reference', reference], ['wasm', wasm]])('cached decoding on %s', (_, open) => {
  test.each([...Object.keys(attentions)])('%s: the logits of the whole text, compiled once for a step', async (name) => {
    const device = await open(), model = build({ ...config, attention: attentions[name]! }, { seed: 3 });
    const whole = await jit((given: Tensor) => model.logits(given), { device })(tokens(0, text.length)).data();
    const cache = model.cache(), step = jit((given: Tensor, start: Tensor) => model.cachedLogits(given, cache, start), { device });
    const close = async (from: number, to: number): Promise<void> => {
      const got = await step(tokens(from, to), cache.extend(to - from)).data();
      got.forEach((value, i) => expect(Math.abs(value - whole[from * 11 + i]!), `token ${from + Math.floor(i / 11)}`).toBeLessThan(1e-4));
    };
    await close(0, 7);
    for (let t = 7; t < text.length; t++) await close(t, t + 1);
    expect(step.compilations.length).toBe(2);
    expect(cache.length).toBe(text.length);
    cache.trim(0);
    await close(0, 7);
    step.release();
    await device.close();
  });
});

// The reference device does not round.
describe('a cache in half precision, on wasm', () => {
  test.each(Object.entries(attentions).filter(([name]) => !['multiHead', 'topK', 'retention'].includes(name)))('%s', async (name, attention) => {
    const device = await wasm(), model = build({ ...config, attention }, { seed: 3 });
    const decode = async (dtype: 'f32' | 'f16'): Promise<{ logits: number[]; bytes: number }> => {
      const cache = model.cache({ dtype }), step = jit((given: Tensor, start: Tensor) => model.cachedLogits(given, cache, start), { device }), logits = [...await step(tokens(0, 7), cache.extend(7)).data()];
      for (let t = 7; t < text.length; t++) logits.push(...await step(tokens(t, t + 1), cache.extend(1)).data());
      step.release();
      const recurrent = [...await cache.state()].filter(([state]) => /layers\.2/.test(state) && name.includes('recurrent')).reduce((sum, [, data]) => sum + data.byteLength, 0);
      return { logits, bytes: cache.bytes - recurrent };
    };
    const whole = await decode('f32'), half = await decode('f16'), likeliest = (logits: readonly number[], t: number): number => { const row = logits.slice(t * 11, t * 11 + 11); return row.indexOf(Math.max(...row)); };
    expect(half.bytes).toBe(whole.bytes / 2);
    const worst = Math.max(...whole.logits.map((value, i) => Math.abs(value - half.logits[i]!)));
    expect(worst).toBeGreaterThan(1e-6);
    expect(worst).toBeLessThan(4e-3 * (1 + Math.max(...whole.logits.map(Math.abs))));
    for (let t = 0; t < text.length; t++) expect(likeliest(half.logits, t), `token ${t}`).toBe(likeliest(whole.logits, t));
    await device.close();
  });
});

describe('the cache', () => {
  const model = build({ ...config, attention: attentions['grouped with sinks']! }, { seed: 3 }), device = reference();
  test('goes back to a shorter text', async () => {
    const cache = model.cache({ capacity: 12 }), step = jit((given: Tensor, start: Tensor) => model.cachedLogits(given, cache, start), { device });
    const first = await step(tokens(0, 7), cache.extend(7)).data();
    await step(tokens(10, 11), cache.extend(1)).data();
    cache.trim(4);
    const again = await step(tokens(4, 7), cache.extend(3)).data();
    again.forEach((value, i) => expect(value).toBeCloseTo(first[4 * 11 + i]!, 5));
    expect(cache.bytes).toBe(3 * 2 * 4 * 12 * 2 * 4); // layers · (keys, values) · bytes · capacity · heads · width
    expect([...(await cache.state()).keys()]).toEqual(['layers.0.attention.keys', 'layers.0.attention.values', 'layers.1.attention.keys', 'layers.1.attention.values', 'layers.2.attention.keys', 'layers.2.attention.values']);
    await model.toHost();
  });
  test('says what does not fit', async () => {
    const cache = model.cache({ capacity: 5 }), step = jit((given: Tensor, start: Tensor) => model.cachedLogits(given, cache, start), { device });
    expect(() => step(tokens(0, 7), tensor(Int32Array.of(0), { shape: [] }))).toThrow('the cache holds 5 tokens, and 7 came at once');
    await step(tokens(0, 4), cache.extend(4)).data();
    expect(() => cache.extend(2)).toThrow('layers.0.attention.keys holds 5 tokens, and 6 would stand in it');
    expect(() => cache.trim(5)).toThrow('trim: length must be a whole number from 0 to 4, got 5');
    expect(() => step(tensor(new Int32Array(4), { shape: [2, 2] }), tensor(Int32Array.of(0), { shape: [] }))).toThrow('a cache serves one model and one batch size');
    expect(() => model.cache({ capacity: 25 })).toThrow("the capacity must be at most the model's maxLength (24), got 25");
    expect(() => model.cache().extend(25)).toThrow('a sequence may have up to 24 tokens, and it would have 25');
    expect(() => jit((start: Tensor) => model.cachedLogits(tokens(0, 1), decodingCache({ capacity: 9 }), start), { device })(tensor(Int32Array.of(0), { shape: [] }))).toThrow('make it by model.cache()');
    await model.toHost();
  });
  test('of a window cannot go back to what it has forgotten', async () => {
    const windowed = build({ ...config, attention: attentions['a window, which rolls']! }, { seed: 3 }), cache = windowed.cache(), step = jit((given: Tensor, start: Tensor) => windowed.cachedLogits(given, cache, start), { device });
    await step(tokens(0, 3), cache.extend(3)).data();
    cache.trim(2);
    await step(tokens(2, 6), cache.extend(4)).data();
    expect(() => cache.trim(5)).toThrow('has forgotten tokens that stand before 5; trim to 0');
    expect(cache.bytes).toBe(3 * 2 * 4 * 3 * 2 * 4);
  });
});

describe.each(['none', 'sinusoidal', 'learned', 'rotary', 'xPos', 'alibi', 't5Bias', 'shaw'] as const)('positions: %s', (positional) => {
  test.each<[string, object]>([['a cache that keeps all', {}], ['a cache that rolls', { mask: { type: 'slidingWindow', windowKeys: 3 } }]])('%s gives the logits of the whole text', async (_, more) => {
    const device = reference(), model = build({ ...config, attention: { type: 'grouped', heads: 4, kvHeads: 2, ...more }, positional } as DecoderConfigInput, { seed: 3 });
    const whole = await jit((given: Tensor) => model.logits(given), { device })(tokens(0, text.length)).data();
    const cache = model.cache(), step = jit((given: Tensor, start: Tensor) => model.cachedLogits(given, cache, start), { device });
    for (const [from, to] of [[0, 7], ...Array.from({ length: text.length - 7 }, (__, i) => [i + 7, i + 8])] as [number, number][]) {
      const got = await step(tokens(from, to), cache.extend(to - from)).data();
      got.forEach((value, i) => expect(Math.abs(value - whole[from * 11 + i]!), `token ${from + Math.floor(i / 11)}`).toBeLessThan(1e-4));
    }
  });
});

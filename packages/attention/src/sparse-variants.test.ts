import { describe, expect, test } from 'vitest';
import { testAttention } from '@ashlar/conformance';
import { arange, tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { attend, bigBird, bigBirdPattern, longformer, topK, type Mask } from './index.js';
import { linear, mix, softmaxReference } from './test/softmax-reference.js';

const devices = { reference, wasm }, D = 4, H = 3;

describe('longformer', () => {
  const globals = 2, side = 2;
  testAttention('longformer', longformer({ heads: H, windowKeys: 2 * side + 1, globalTokens: globals }), {
    devices,
    reference: ({ x, weights }) => x.map((row, t) => {
      const name = t < globals ? 'globalQkv' : 'qkv', q = linear(row, weights, name).slice(0, H * D);
      const seen = x.map((_, s) => s).filter((s) => t < globals || s < globals || Math.abs(t - s) <= side);
      const others = seen.map((s) => linear(x[s]!, weights, name));
      const mixed = Array.from({ length: H }, (_, h) => mix(
        others.map((other) => Array.from({ length: D }, (__, d) => q[h * D + d]! * other[(H + h) * D + d]!).reduce((a, b) => a + b, 0) / Math.sqrt(D)),
        others.map((other) => other.slice((2 * H + h) * D, (2 * H + h + 1) * D)),
      )).flat();
      return linear(mixed, weights, 'output');
    }),
    changed: {
      windowKeys: longformer({ heads: H, windowKeys: 3, globalTokens: globals }), globalTokens: longformer({ heads: H, windowKeys: 5, globalTokens: 1 }), sinks: longformer({ heads: H, windowKeys: 5, globalTokens: globals, sinks: true }),
      softcap: longformer({ heads: H, windowKeys: 5, globalTokens: globals, softcap: 0.3 }), score: longformer({ heads: H, windowKeys: 5, globalTokens: globals, score: ({ score, k }) => score.mul(k.cast('f32')) }),
    },
  });
  test('what cannot be is refused', () => { expect(() => longformer({ heads: 2, windowKeys: 4, globalTokens: 1 })).toThrow('windowKeys must be odd'); });
});

async function grid(mask: Mask, heads: number, T: number): Promise<(h: number, t: number, s: number) => boolean> {
  const seen = await mask({ b: arange(1).reshape([1, 1, 1, 1]), h: arange(heads).reshape([1, heads, 1, 1]), q: arange(T).reshape([1, 1, T, 1]), k: arange(T).reshape([1, 1, 1, T]) }).broadcastTo([1, heads, T, T]).data(reference());
  return (h, t, s) => seen[(h * T + t) * T + s] === 1;
}

describe('bigBird', () => {
  const pattern = { block: 4, randomBlocks: 2, seed: 5 };
  test.each([66, 68])('the pattern at length %i: first, last, window and so many random blocks', async (T) => {
    const seen = await grid(bigBirdPattern(pattern), 2, T), N = 17, seeds = new Set<string>();
    for (const h of [0, 1]) for (let i = 0; i < N; i++) {
      const blocks = Array.from({ length: N }, (_, j) => j).filter((j) => seen(h, 4 * i, 4 * j));
      for (let t = 4 * i; t < Math.min(T, 4 * i + 4); t++) for (let s = 0; s < T; s++) expect(seen(h, t, s)).toBe(blocks.includes(s >> 2));
      if (i === 0 || i === N - 1) { expect(blocks.length).toBe(N); continue; }
      for (const j of [0, N - 1, i - 1, i, i + 1]) expect(blocks).toContain(j);
      expect(blocks.length).toBe(new Set([0, N - 1, i - 1, i, i + 1]).size + 2);
      seeds.add(`${h} ${blocks.join()}`);
    }
    expect(seeds.size).toBe(2 * (N - 2));
  });
  test('the same seed gives the same pattern; another seed, layer or head another', async () => {
    const text = async (options: object, h = 0): Promise<string> => { const seen = await grid(bigBirdPattern({ ...pattern, ...options }), 2, 68); return Array.from({ length: 68 * 68 }, (_, i) => Number(seen(h, Math.floor(i / 68), i % 68))).join(''); };
    const all = await Promise.all([text({}), text({ seed: 6 }), text({ layer: 1 }), text({}, 1), text({ randomBlocks: 1 })]);
    expect(await text({})).toBe(all[0]);
    expect(new Set(all).size).toBe(5);
  });
  test('short sequences are seen whole', async () => {
    const seen = await grid(bigBirdPattern({ seed: 0 }), 1, 100);
    for (let t = 0; t < 100; t++) for (let s = 0; s < 100; s++) expect(seen(0, t, s)).toBe(true);
  });
  testAttention('bigBird, at lengths it sees whole', bigBird({ heads: H, block: 4, randomBlocks: 2, seed: 5 }), {
    devices, lengths: [1, 7], reference: softmaxReference({ heads: H, kvHeads: H, headWidth: D, visible: () => true }),
  });
});
describe('bigBird at length 65', async () => {
  const seen = await grid(bigBirdPattern({ block: 4, randomBlocks: 2, seed: 5 }), 1, 65);
  testAttention('bigBird', bigBird({ heads: 1, block: 4, randomBlocks: 2, seed: 5 }), { devices, lengths: [65], reference: softmaxReference({ heads: 1, kvHeads: 1, headWidth: 12, visible: (t, s) => seen(0, t, s) }) });
});

describe('topK', () => {
  const keys = 3;
  testAttention('topK', topK({ heads: H, keys }), {
    devices, std: 0.5,
    reference: ({ x, weights }) => {
      const projected = x.map((row) => linear(row, weights, 'query')), k = x.map((row) => linear(row, weights, 'key')), v = x.map((row) => linear(row, weights, 'value'));
      return x.map((_, t) => linear(Array.from({ length: H }, (__, h) => {
        const scored = x.slice(0, t + 1).map((___, s) => [Array.from({ length: D }, (____, d) => projected[t]![h * D + d]! * k[s]![h * D + d]!).reduce((a, b) => a + b, 0) / Math.sqrt(D), s] as const);
        const kept = scored.toSorted((a, b) => b[0] - a[0]).slice(0, keys);
        return mix(kept.map(([score]) => score), kept.map(([, s]) => v[s]!.slice(h * D, (h + 1) * D)));
      }).flat(), weights, 'output'));
    },
    changed: { keys: topK({ heads: H, keys: 2 }), kvHeads: topK({ heads: H, kvHeads: 1, keys }), mask: topK({ heads: H, keys, mask: ({ q, k }) => q.sub(k).lt(2) }) },
  });
  test.each([['reference', reference], ['wasm', wasm]] as const)('ties with the last all count; fewer visible keys all count; on %s', async (_, open) => {
    const device = await open(), one = (values: number[]) => tensor(Float32Array.from(values), { shape: [1, 1, values.length, 1] });
    const weightsOf = async (scores: number[], strongest: number): Promise<number[]> => Promise.all(scores.map(async (__, s) => (await attend(one([1]), one(scores), one(scores.map((___, i) => Number(i === s))), { strongest, scale: 1 }).data(device))[0]!));
    const near = (got: number[], expected: number[]): void => expected.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 5));
    near(await weightsOf([1, 1, 0, -5, 1], 2), [1 / 3, 1 / 3, 0, 0, 1 / 3]);
    near(await weightsOf([-1, -1, -2, -3], 3), [1, 1, Math.exp(-1), 0].map((value) => value / (2 + Math.exp(-1))));
    near(await weightsOf([0, 0, 0], 1), [1 / 3, 1 / 3, 1 / 3]);
    near(await weightsOf([2, 1], 5), [Math.E / (1 + Math.E), 1 / (1 + Math.E)]);
    await device.close();
  });
});

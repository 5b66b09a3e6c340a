import { describe, expect, test } from 'vitest';
import { testAttention, type AttentionReferenceInput } from '@ashlar/conformance';
import { normalInitializer, type AttentionSite, Module } from '@ashlar/nn';
import { rotary } from '@ashlar/positional';
import { arange, jit, tensor, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { decodingCache, latent, slidingWindow, type LatentOptions } from './index.js';
import { linear, mix, rms, turn } from './test/softmax-reference.js';

const devices = { reference, wasm }, weight = normalInitializer(0.4), initializers = { weight, value: weight, residual: weight };
const turning = rotary().build({ width: 12, maxLength: 70, heads: undefined, causal: true, initializers });

interface Shape { readonly H: number; readonly plain: number; readonly rotated: number; readonly value: number; readonly rank: number; readonly window?: number; readonly epsilon?: number; readonly sinks?: boolean }
const loops = ({ H, plain, rotated, value, rank, window = Infinity, epsilon = 1e-6 }: Shape) => ({ x, weights }: AttentionReferenceInput): number[][] => {
  const key = plain + rotated, up = (row: readonly number[], name: string): number[] => linear(row, weights, name);
  const queries = x.map((row, t) => {
    const from = weights.has('queryDown.weight') ? rms(linear(row, weights, 'queryDown'), weights.get('queryGain')!, epsilon) : row, q = linear(from, weights, 'query');
    return Array.from({ length: H }, (_, h) => [...q.slice(h * key, h * key + plain), ...turn(q.slice(h * key + plain, (h + 1) * key), t, rotated)]);
  });
  const down = x.map((row) => linear(row, weights, 'keyValueDown')), latents = down.map((row) => rms(row.slice(0, rank), weights.get('latentGain')!, epsilon));
  const keys = latents.map((row, s) => { const k = up(row, 'keyUp'), shared = turn(down[s]!.slice(rank), s, rotated); return Array.from({ length: H }, (_, h) => [...k.slice(h * plain, (h + 1) * plain), ...shared]); });
  const values = latents.map((row) => up(row, 'valueUp'));
  return x.map((_, t) => linear(Array.from({ length: H }, (__, h) => {
    const seen = x.map((___, s) => s).filter((s) => s <= t && t - s < window);
    const scores = seen.map((s) => queries[t]![h]!.reduce((sum, q, d) => sum + q * keys[s]![h]![d]!, 0) / Math.sqrt(key));
    return mix(scores, seen.map((s) => values[s]!.slice(h * value, (h + 1) * value)), weights.get('sinks')?.[h]);
  }).flat(), weights, 'output'));
};

const plain: LatentOptions = { heads: 3, kvRank: 5, rotatedWidth: 2 };
testAttention('latent', latent(plain), {
  devices, positional: turning, reference: loops({ H: 3, plain: 4, rotated: 2, value: 4, rank: 5 }),
  changed: {
    kvRank: latent({ ...plain, kvRank: 4 }), queryRank: latent({ ...plain, queryRank: 7 }), rotatedWidth: latent({ ...plain, rotatedWidth: 4 }), headWidth: latent({ ...plain, headWidth: 3 }), valueWidth: latent({ ...plain, valueWidth: 2 }),
    latentEpsilon: latent({ ...plain, latentEpsilon: 1 }), softcap: latent({ ...plain, softcap: 0.2 }), gate: latent({ ...plain, gate: 'perElement' }), scale: latent({ ...plain, scale: 2 }), score: latent({ ...plain, score: ({ score, k }) => score.mul(k.cast('f32')) }),
  },
});
testAttention('latent, with a query latent, wide values, sinks and a window', latent({ heads: 2, kvRank: 4, queryRank: 6, headWidth: 4, rotatedWidth: 2, valueWidth: 8, latentEpsilon: 0.01, sinks: true, bias: false, mask: slidingWindow(5) }), {
  devices, lengths: [1, 7, 65], positional: turning, reference: loops({ H: 2, plain: 4, rotated: 2, value: 8, rank: 4, window: 5, epsilon: 0.01 }),
});

describe('the cache of latent attention', () => {
  test('keeps R + P numbers a token, whatever the heads', async () => {
    class NoPositions extends Module {}
    const site: AttentionSite = { width: 12, bias: false, dropout: { attention: 0, residual: 0 }, positional: new NoPositions(), initializers }, device = reference();
    const part = latent({ heads: 6, headWidth: 8, kvRank: 5, rotatedWidth: 2 }).build(site), cache = decodingCache({ capacity: 10 });
    part.initialize(1);
    const step = jit((x: Tensor, start: Tensor) => part.forward({ x, positions: start.add(arange(1)), cache: cache.layer('layers.0', start) }), { device });
    await step(tensor(new Float32Array(12).fill(1), { shape: [1, 1, 12] }), cache.extend(1)).data();
    expect(cache.bytes).toBe(4 * 10 * (5 + 2));
    expect([...(await cache.state()).keys()]).toEqual(['layers.0.latents', 'layers.0.turnedKeys']);
  });
  test('what cannot be is refused', () => {
    expect(() => latent({ ...plain, rotatedWidth: 3 })).toThrow('latent: rotatedWidth must be even, got 3');
    expect(() => latent({ ...plain, kvRank: 0 })).toThrow('latent: kvRank must be a whole number from 1, got 0');
  });
});

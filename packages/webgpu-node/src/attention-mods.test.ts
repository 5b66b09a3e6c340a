import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attention, gradients, jit, tensor, type MaskMod, type ScoreMod, type Tensor } from '@ashlar/tensor';
import type { WebgpuDevice } from '@ashlar/webgpu';
import { webgpu } from './index.js';
import { expectClose, randoms } from './test/plans.js';

const B = 2, H = 4, G = 2, D = 8;
const slopeValues = [0.5, 0.25, 0.125, 0.0625];

/** A mod in tensors, and what it means for one number: whether key k counts for query q, the score, its slope. */
interface Case {
  readonly name: string; readonly T: number; readonly S: number;
  readonly mask?: (extra: Tensor) => MaskMod; readonly sees?: (q: number, k: number) => boolean;
  readonly score?: (extra: Tensor) => ScoreMod; readonly modified?: (s: number, h: number, q: number, k: number) => number; readonly slope?: (s: number) => number;
  readonly causal?: boolean;
}
const window = (keys: number) => ({ mask: (): MaskMod => ({ q, k }) => k.le(q).and(q.sub(k).lt(keys)), sees: (q: number, k: number) => k <= q && q - k < keys });
const alibi = {
  score: (extra: Tensor): ScoreMod => ({ score, h, q, k }) => score.sub(extra.gather(h).mul(q.sub(k).abs().cast('f32'))),
  modified: (s: number, h: number, q: number, k: number) => s - slopeValues[h]! * Math.abs(q - k),
};
const cases: Case[] = [
  { name: 'a sliding window over long rows, most blocks empty', T: 150, S: 150, ...window(20) },
  { name: 'a window with more keys than queries', T: 40, S: 97, ...window(33) },
  { name: 'an alternating mask: no block is empty or full', T: 33, S: 33, mask: () => ({ q, k }) => q.add(k).mod(2).eq(0).or(q.eq(k)), sees: (q, k) => (q + k) % 2 === 0 || q === k },
  { name: 'a bias by distance, whose slopes are a tensor', T: 37, S: 37, causal: true, ...alibi },
  { name: 'a soft cap', T: 20, S: 21, score: () => ({ score }) => score.mul(0.5).tanh().mul(2), modified: (s) => 2 * Math.tanh(s / 2), slope: (s) => 1 - Math.tanh(s / 2) ** 2 },
  { name: 'a window with a bias, few queries', T: 3, S: 90, ...window(50), ...alibi },
  { name: 'near keys, and far ones of a remainder, with a bias', T: 194, S: 200, causal: true, ...alibi, mask: () => ({ q, k }) => q.sub(k).lt(20).or(q.sub(k).mod(20).eq(0)), sees: (q, k) => q - k < 20 || (q - k) % 20 === 0 },
  { name: 'a block of one\'s own, and keys of two remainders', T: 200, S: 193, mask: () => ({ q, k }) => k.le(q).and(q.div(24).eq(k.div(24)).or(k.mod(24).ge(22))), sees: (q, k) => k <= q && (Math.trunc(q / 24) === Math.trunc(k / 24) || k % 24 >= 22) },
  { name: 'queries that see nothing', T: 17, S: 5, mask: () => ({ q, k }) => k.lt(q.sub(2)), sees: (q, k) => k < q - 2 },
];

describe.each(['cpu', 'gpu'] as const)('attention with mods for the %s class', (adapterClass) => {
  let device: WebgpuDevice;
  beforeAll(async () => { device = await webgpu({ adapter: 'swiftshader', adapterClass, boundsChecks: true, poison: true }); });
  afterAll(() => device.close());

  test.each(cases)('$name', async ({ T, S, mask, sees = () => true, score, modified = (s) => s, slope = () => 1, causal = false }) => {
    const q = randoms(B * H * T * D, 1).map(Math.fround), k = randoms(B * G * S * D, 2).map(Math.fround), v = randoms(B * G * S * D, 3).map(Math.fround), g = randoms(B * H * T * D, 4).map(Math.fround);
    const scale = 1 / Math.sqrt(D), o = new Float64Array(q.length), dq = new Float64Array(q.length), dk = new Float64Array(k.length), dv = new Float64Array(v.length);
    for (let b = 0; b < B; b++) for (let h = 0; h < H; h++) for (let t = 0; t < T; t++) {
      const kv = h >> 1, at = ((b * H + h) * T + t) * D, place = t + S - T;
      const keys = Array.from({ length: S }, (_, s) => s).filter((s) => sees(place, s) && (!causal || s <= place));
      if (keys.length === 0) continue;
      const scaled = keys.map((s) => { let sum = 0; for (let d = 0; d < D; d++) sum += q[at + d]! * k[((b * G + kv) * S + s) * D + d]!; return sum * scale; });
      const scores = scaled.map((x, i) => modified(x, h, place, keys[i]!)), top = Math.max(...scores), total = scores.reduce((sum, x) => sum + Math.exp(x - top), 0);
      const weights = scores.map((x) => Math.exp(x - top) / total);
      keys.forEach((s, i) => { for (let d = 0; d < D; d++) o[at + d]! += weights[i]! * v[((b * G + kv) * S + s) * D + d]!; });
      let delta = 0;
      for (let d = 0; d < D; d++) delta += o[at + d]! * g[at + d]!;
      keys.forEach((s, i) => {
        const row = ((b * G + kv) * S + s) * D;
        let product = 0;
        for (let d = 0; d < D; d++) product += g[at + d]! * v[row + d]!;
        const change = weights[i]! * (product - delta) * slope(scaled[i]!) * scale;
        for (let d = 0; d < D; d++) { dq[at + d]! += change * k[row + d]!; dk[row + d]! += change * q[at + d]!; dv[row + d]! += weights[i]! * g[at + d]!; }
      });
    }
    const run = jit((query: Tensor, key: Tensor, value: Tensor, upstream: Tensor, slopes: Tensor) => {
      const extra = slopes.stopGradient();
      const out = attention(query, key, value, { causal, ...(mask && { mask: mask(extra) }), ...(score && { score: score(extra) }) });
      return [out, ...gradients(out.mul(upstream).sum(), [query, key, value])] as const;
    }, { device });
    const results = run(tensor(q, { shape: [B, H, T, D] }), tensor(k, { shape: [B, G, S, D] }), tensor(v, { shape: [B, G, S, D] }), tensor(g, { shape: [B, H, T, D] }), tensor(slopeValues));
    expect(run.plan!.steps.flatMap(({ kernel }) => (kernel.kind === 'fused' ? [kernel.op] : []))).toEqual(['attention', 'attentionGrad']);
    for (const [i, expected] of [o, dq, dk, dv].entries()) expectClose(await results[i]!.data(), expected, 2e-5, ['o', 'dq', 'dk', 'dv'][i]);
  }, 120_000);
});

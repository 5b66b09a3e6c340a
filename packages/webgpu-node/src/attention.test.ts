import { afterAll, beforeAll, describe, test } from 'vitest';
import type { FusedKernel, Slot, View } from '@ashlar/tensor';
import type { WebgpuDevice } from '@ashlar/webgpu';
import { webgpu } from './index.js';
import { expectClose, PlanBuilder, randoms, strides } from './test/plans.js';

interface Case { B: number; H: number; G: number; T: number; S: number; D: number; causal: boolean; headsLast?: boolean }

/** The plain reading of the formula, one number at a time. q, k, v as [B, heads, length, D]; results as the kernel lays them. */
function attend({ B, H, G, T, S, D, causal }: Case, scale: number, q: number[], k: number[], v: number[], g: number[]) {
  const o = new Float64Array(B * T * H * D), lse = new Float64Array(B * H * T).fill(-Infinity);
  const dq = new Float64Array(B * T * H * D), dk = new Float64Array(B * S * G * D), dv = new Float64Array(B * S * G * D);
  for (let b = 0; b < B; b++) for (let h = 0; h < H; h++) for (let t = 0; t < T; t++) {
    const kv = Math.floor((h * G) / H), seen = causal ? Math.max(0, Math.min(S, t + S - T + 1)) : S;
    if (seen === 0) continue;
    const row = (data: number[], heads: number, length: number, head: number, position: number, d: number): number => data[((b * heads + head) * length + position) * D + d]!;
    const scores = Array.from({ length: seen }, (_, s) => { let sum = 0; for (let d = 0; d < D; d++) sum += row(q, H, T, h, t, d) * row(k, G, S, kv, s, d); return sum * scale; });
    const top = Math.max(...scores), total = scores.reduce((sum, score) => sum + Math.exp(score - top), 0);
    lse[(b * H + h) * T + t] = top + Math.log(total);
    const weights = scores.map((score) => Math.exp(score - top) / total);
    const out = Array.from({ length: D }, (_, d) => weights.reduce((sum, weight, s) => sum + weight * row(v, G, S, kv, s, d), 0));
    const place = ((b * T + t) * H + h) * D;
    out.forEach((value, d) => { o[place + d] = value; });
    const delta = out.reduce((sum, value, d) => sum + value * g[place + d]!, 0);
    weights.forEach((weight, s) => {
      let product = 0;
      for (let d = 0; d < D; d++) product += g[place + d]! * row(v, G, S, kv, s, d);
      const change = weight * (product - delta) * scale, at = ((b * S + s) * G + kv) * D;
      for (let d = 0; d < D; d++) {
        dq[place + d]! += change * row(k, G, S, kv, s, d);
        dk[at + d]! += change * row(q, H, T, h, t, d);
        dv[at + d]! += weight * g[place + d]!;
      }
    });
  }
  return { o, lse, dq, dk, dv };
}

const cases: Case[] = [
  { B: 1, H: 1, G: 1, T: 1, S: 1, D: 4, causal: true }, { B: 2, H: 4, G: 2, T: 7, S: 7, D: 8, causal: true },
  { B: 1, H: 3, G: 3, T: 63, S: 65, D: 16, causal: true }, { B: 1, H: 2, G: 1, T: 65, S: 63, D: 5, causal: true },
  { B: 2, H: 2, G: 2, T: 64, S: 64, D: 32, causal: false }, { B: 1, H: 4, G: 1, T: 5, S: 130, D: 12, causal: false },
  { B: 2, H: 4, G: 2, T: 65, S: 65, D: 64, causal: true, headsLast: true }, { B: 1, H: 1, G: 1, T: 3, S: 9, D: 130, causal: true },
];

/** Stores [B, heads, length, D] data as it is, or as [B, length, heads, D] inside a wider row, as a fused projection leaves it. */
function stored(data: number[], [B, heads, length, D]: readonly [number, number, number, number], headsLast: boolean): { data: number[]; view: Omit<View, 'slot'> } {
  const shape = [B, heads, length, D];
  if (!headsLast) return { data, view: { offset: 0, shape, strides: strides(shape) } };
  const width = heads * D + 8, out = new Array<number>(B * length * width).fill(NaN);
  for (let b = 0; b < B; b++) for (let h = 0; h < heads; h++) for (let t = 0; t < length; t++) for (let d = 0; d < D; d++) out[(b * length + t) * width + 4 + h * D + d] = data[((b * heads + h) * length + t) * D + d]!;
  return { data: out, view: { offset: 4, shape, strides: [length * width, D, width, 1] } };
}

describe.each(['cpu', 'gpu'] as const)('attention kernels for the %s class', (adapterClass) => {
  let device: WebgpuDevice;
  beforeAll(async () => { device = await webgpu({ adapter: 'swiftshader', adapterClass, boundsChecks: true, poison: true }); });
  afterAll(() => device.close());

  test.each(cases)('forward and gradient agree with the formula: %o', async (one) => {
    const { B, H, G, T, S, D, causal, headsLast = false } = one, scale = 1 / Math.sqrt(D);
    const round = (values: number[]): number[] => values.map(Math.fround);
    const q = round(randoms(B * H * T * D, 1).map((x) => x * 3)), k = round(randoms(B * G * S * D, 2).map((x) => x * 3)), v = round(randoms(B * G * S * D, 3)), g = round(randoms(B * T * H * D, 4));
    const expected = attend(one, scale, q, k, v, g);
    const builder = new PlanBuilder();
    const operand = (data: number[], heads: number, length: number): View => { const at = stored(data, [B, heads, length, D], headsLast); return { slot: builder.input('f32', at.data), ...at.view }; };
    const views = [operand(q, H, T), operand(k, G, S), operand(v, G, S)];
    const whole = (slot: Slot, shape: number[]): View => ({ slot, offset: 0, shape, strides: strides(shape) });
    const gradient = whole(builder.input('f32', g), [B, T, H, D]);
    const o = whole(builder.output('f32', B * T * H * D), [B, T, H, D]), lse = whole(builder.output('f32', B * H * T), [B, H, T]);
    const d = [[T, H], [S, G], [S, G]].map(([length, heads]) => whole(builder.output('f32', B * length! * heads! * D), [B, length!, heads!, D]));
    const attributes = { scale, causal };
    const forward: FusedKernel = { kind: 'fused', name: 'attention', op: 'attention', attributes, inputs: views, outputs: [o, lse], scratch: [] };
    const backward: FusedKernel = { kind: 'fused', name: 'attentionGrad', op: 'attentionGrad', attributes, inputs: [...views, o, lse, gradient], outputs: d, scratch: [builder.work('u32', B * H * T)] };
    const [oOut, lseOut, dq, dk, dv] = await builder.run(device, forward, backward);
    expectClose(oOut!, expected.o, 1e-5, 'o');
    expectClose(lseOut!, expected.lse, 1e-5, 'lse');
    expectClose(dq!, expected.dq, 2e-5, 'dq');
    expectClose(dk!, expected.dk, 2e-5, 'dk');
    expectClose(dv!, expected.dv, 2e-5, 'dv');
  }, 120_000);
});

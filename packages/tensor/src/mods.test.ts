import { describe, expect, test } from 'vitest';
import { Tensor, attention, blockMap, buildPlan, gradients, jit, tensor, where, type Device, type Expression, type FusedKernel, type Plan } from './index.js';
import { reference } from './reference.js';
import { evaluateExpression, PlanDevice } from './testing/plan-interpreter.js';

const random = (shape: number[], seed = 1): Tensor => {
  let state = (seed * 2654435761) >>> 0;
  return tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return state / 2 ** 31 - 1; }), { shape });
};

/** Attention in plain loops: weights of visible scores, with the score changed by a function. */
function plain(q: Float32Array, k: Float32Array, v: Float32Array, [B, H, G, T, S, D]: number[], visible: (b: number, h: number, q: number, k: number) => boolean, score: (s: number, b: number, h: number, q: number, k: number) => number): Float64Array {
  const out = new Float64Array(B! * H! * T! * D!);
  for (let b = 0; b < B!; b++) for (let h = 0; h < H!; h++) for (let t = 0; t < T!; t++) {
    const g = Math.floor((h * G!) / H!), weights: number[] = [];
    for (let s = 0; s < S!; s++) {
      let dot = 0;
      for (let d = 0; d < D!; d++) dot += q[((b * H! + h) * T! + t) * D! + d]! * k[((b * G! + g) * S! + s) * D! + d]!;
      weights.push(visible(b, h, t + S! - T!, s) ? Math.exp(score(dot / Math.sqrt(D!), b, h, t + S! - T!, s)) : 0);
    }
    const total = weights.reduce((a, x) => a + x, 0);
    if (total > 0) for (let s = 0; s < S!; s++) for (let d = 0; d < D!; d++) out[((b * H! + h) * T! + t) * D! + d]! += (weights[s]! / total) * v[((b * G! + g) * S! + s) * D! + d]!;
  }
  return out;
}

const close = (got: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-5): void => { expect(got.length).toBe(expected.length); for (let i = 0; i < expected.length; i++) expect(Math.abs(got[i]! - expected[i]!), `element ${i}`).toBeLessThanOrEqual(tolerance * (1 + Math.abs(expected[i]!))); };

const sizes = [2, 4, 2, 5, 7, 8], [B, H, G, T, S, D] = sizes as [number, number, number, number, number, number];
const q = random([B, H, T, D], 1), k = random([B, G, S, D], 2), v = random([B, G, S, D], 3);
const hosts = async (): Promise<[Float32Array, Float32Array, Float32Array]> => (await Promise.all([q, k, v].map((x) => x.data()))) as [Float32Array, Float32Array, Float32Array];

/** The kernel that a backend with attention kernels would get. */
function kernelOf(compute: () => Tensor, name: string): FusedKernel {
  let plan: Plan | undefined;
  const device = { kind: 'wasm', description: 'none', allocate: () => ({}) } as unknown as Device;
  jit(compute, { device: { ...device, compile: (graph) => { plan = buildPlan(graph, { device, fused: () => ({ scratch: [] }) }); return { plan, run: () => [], ready: async () => {}, release: () => {} }; } } }).prepare();
  return plan!.steps.map((step) => step.kernel).find((kernel): kernel is FusedKernel => kernel.kind === 'fused' && kernel.op === name)!;
}
describe('mods', () => {
  test('a mask over positions, and rows that it leaves empty', async () => {
    const expected = plain(...(await hosts()), sizes, (_b, _h, i, j) => i - j < 2 && j <= i && i !== 4, (s) => s);
    close(await attention(q, k, v, { mask: (at) => at.q.sub(at.k).lt(2).and(at.k.le(at.q)).and(at.q.ne(4)) }).data(reference()), expected);
  });
  test('a score with a captured table, a soft cap, captured segments', async () => {
    const slopes = random([H], 7), segments = tensor(new Int32Array([0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 2, 2]), { shape: [B, S] });
    const slope = await slopes.data(), segment = [0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 2, 2];
    const expected = plain(...(await hosts()), sizes, (b, _h, i, j) => segment[b * S + i] === segment[b * S + j], (s, _b, h, i, j) => 3 * Math.tanh(s / 3) - slope[h]! * Math.abs(i - j));
    const o = attention(q, k, v, {
      mask: (at) => segments.reshape([B * S]).at(at.b.mul(S).add(at.q)).eq(segments.reshape([B, 1, 1, S])),
      score: (at) => at.score.div(3).tanh().mul(3).sub(slopes.at(at.h).mul(at.q.sub(at.k).abs().cast('f32'))),
    });
    close(await o.data(reference()), expected);
    close(await o.data(new PlanDevice()), expected);
  });
  test('gradients of a captured table, against differences', async () => {
    const table = random([H, 4], 5), loss = (bias: Tensor): Tensor => attention(q, k, v, { causal: true, score: (at) => at.score.add(bias.reshape([H * 4]).at(at.h.mul(4).add(at.q.sub(at.k).abs().minimum(3)))) }).square().sum();
    const [slope] = gradients(loss(table), [table]), got = await slope!.data(reference()), host = await table.data();
    for (let i = 0; i < host.length; i++) {
      const moved = (by: number): Tensor => tensor(Float32Array.from(host, (x, j) => x + (i === j ? by : 0)), { shape: [H, 4] });
      const difference = ((await loss(moved(2 ** -7)).item(reference())) - (await loss(moved(-(2 ** -7))).item(reference()))) / 2 ** -6;
      expect(got[i]).toBeCloseTo(difference, 3);
    }
  });
  test('what is not element-wise, or of another type, is refused', () => {
    expect(() => attention(q, k, v, { mask: (at) => at.q.sub(at.k).sum(-1, { keepDims: true }).lt(2) })).toThrow(/element-wise/);
    expect(() => attention(q, k, v, { mask: (at) => at.q.sub(at.k) })).toThrow(/bool/);
    expect(() => attention(q, k, v, { score: (at) => at.score.add(random([3, 9])) })).toThrow(/broadcast/);
  });

  test('kernels get expressions; the causal part is taken out', () => {
    const slopes = random([H], 7);
    const kernel = kernelOf(() => attention(q, k, v, { mask: (at) => at.k.le(at.q).and(at.q.sub(at.k).lt(3)), score: (at) => at.score.sub(slopes.at(at.h)) }), 'attention');
    expect(kernel.attributes['causal']).toBe(true);
    expect((kernel.attributes['mask'] as Expression).kind).toBe('binary');
    expect(kernel.inputs.length).toBe(4);
    expect(kernel.attributes['slope']).toEqual({ kind: 'constant', dtype: 'f32', value: 1 });
    expect(kernel.attributes['tables']).toHaveLength(1);
    const alone = kernelOf(() => attention(q, k, v, { mask: (at) => at.k.le(at.q) }), 'attention');
    expect(alone.attributes).toEqual({ scale: 1 / Math.sqrt(D), causal: true });
  });
  test('block maps', () => {
    const window = kernelOf(() => attention(random([1, 1, 64, 4]), random([1, 1, 64, 4], 2), random([1, 1, 64, 4], 3), { mask: (at) => at.q.sub(at.k).lt(16).and(at.q.sub(at.k).ge(0)) }), 'attention').attributes['mask'] as Expression;
    const states = blockMap(window, { B: 1, H: 1, T: 64, S: 64 }, 8, 8);
    for (let i = 0; i < 8; i++) for (let j = 0; j < 8; j++) {
      let some = false, all = true;
      for (let a = i * 8; a < i * 8 + 8; a++) for (let b = j * 8; b < j * 8 + 8; b++) { const inside = a - b < 16 && a >= b; some ||= inside; all &&= inside; }
      expect(states[i * 8 + j], `block ${i}, ${j}`).toBe(all ? 2 : some ? 1 : 0);
    }
  });
  test.each<[string, object, string]>([
    ['all', {}, '15 of 15'], ['causal', { causal: true }, '14 of 15'], ['a window', { mask: (at: { q: Tensor; k: Tensor }) => at.k.le(at.q).and(at.q.sub(at.k).lt(16)) }, '5 of 15'],
  ])('explain() counts the blocks that %s leaves', (_, options, blocks) => {
    const T = 150, S = 300, tokens = (count: number): Tensor => random([1, 1, count, 4]);
    let explained = '';
    const device = { kind: 'wasm', description: 'none', allocate: () => ({}) } as unknown as Device;
    jit(() => attention(tokens(T), tokens(S), tokens(S), options), { device: { ...device, compile: (graph) => { const plan = buildPlan(graph, { device, fused: () => ({ scratch: [] }) }); explained = plan.explain(); return { plan, run: () => [], ready: async () => {}, release: () => {} }; } } }).prepare();
    expect(explained).toContain(`1×1×150×4, 1×1×300×4, 1×1×300×4; ${blocks} blocks of 64×64 scores`);
  });
});

test('derivatives of expressions agree with the graph\'s', async () => {
  const x = random([9], 3).mul(0.5).add(1.2), functions: ((s: Tensor) => Tensor)[] = [
    (s) => s.tanh().mul(s), (s) => s.exp().div(s.add(2)), (s) => s.square().add(1).log(), (s) => where(s.gt(1), s.mul(3), s.sin()), (s) => s.maximum(1.1).mul(s.minimum(1.3)), (s) => s.erf().add(s.sqrt()).sub(s.rsqrt()), (s) => s.abs().pow(1.5), (s) => s.cos().neg().mul(s.reciprocal()),
  ];
  for (const f of functions) {
    const expected = await gradients(f(x).sum(), [x])[0]!.data(reference()), at = await x.data(reference());
    const slope = kernelOf(() => attention(q, k, v, { score: ({ score }) => f(score) }), 'attention').attributes['slope'] as Expression;
    close(Array.from(at, (value) => evaluateExpression(slope, [0, 0, 0, 0], () => NaN, [], value)), expected);
  }
});

describe('sinks', () => {
  const sinks = tensor([0.3, -1, 2, 0]), options = { mask: (at: { q: Tensor; k: Tensor }) => at.q.sub(at.k).lt(3).and(at.k.le(at.q)).and(at.q.ne(4)), score: (at: { score: Tensor }) => at.score.mul(2) };
  test('are one more key of value 0; a row that sees nothing else gives 0', async () => {
    const [hq, hk, hv] = await hosts(), sink = await sinks.data(), expected = new Float64Array(B * H * T * D);
    for (let b = 0; b < B; b++) for (let h = 0; h < H; h++) for (let t = 0; t < T; t++) {
      const g = Math.floor((h * G) / H), at = t + S - T;
      let total = Math.exp(sink[h]!);
      const sums = new Float64Array(D);
      for (let s = Math.max(0, at - 2); s <= at && at !== 4; s++) {
        let product = 0;
        for (let d = 0; d < D; d++) product += hq[((b * H + h) * T + t) * D + d]! * hk[((b * G + g) * S + s) * D + d]!;
        const weight = Math.exp(2 * product / Math.sqrt(D));
        total += weight;
        for (let d = 0; d < D; d++) sums[d]! += weight * hv[((b * G + g) * S + s) * D + d]!;
      }
      for (let d = 0; d < D; d++) expected[((b * H + h) * T + t) * D + d] = sums[d]! / total;
    }
    for (const device of [reference(), new PlanDevice()]) close(await attention(q, k, v, { ...options, sinks }).data(device), expected);
  });
  test('gradients of q, k, v and the sinks, against differences', async () => {
    const loss = (...[a, b, c, d]: Tensor[]): Tensor => attention(a!, b!, c!, { ...options, sinks: d! }).mul(random([B, H, T, D], 9)).sum(), inputs = [q, k, v, sinks];
    const slopes = gradients(loss(...inputs), inputs);
    for (const [i, input] of inputs.entries()) {
      const got = await slopes[i]!.data(reference()), host = await input.data();
      for (let j = 0; j < host.length; j += Math.ceil(host.length / 7)) {
        const moved = (by: number): Tensor[] => inputs.with(i, tensor(Float32Array.from(host, (x, n) => x + (n === j ? by : 0)), { shape: input.shape }));
        const difference = ((await loss(...moved(2 ** -7)).item(reference())) - (await loss(...moved(-(2 ** -7))).item(reference()))) / 2 ** -6;
        expect(got[j]).toBeCloseTo(difference, 3);
      }
    }
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DType, Expression, FusedKernel, View } from '@ashlar/tensor';
import { openDevice } from './device.js';
import type { WasmDevice } from './device.js';
import { fusedKernel } from './fused.js';
import { affine, binary, constant, data, distance, input, load, output, plan, runOnce, slot, unary, variants, view } from './test/hand-made.js';

interface Case { readonly B: number; readonly H: number; readonly G: number; readonly T: number; readonly S: number; readonly D: number; readonly causal: boolean }
type Mods = { readonly mask?: (b: number, h: number, q: number, k: number) => boolean; readonly score?: (s: number, b: number, h: number, q: number, k: number) => number };

/** Attention in plain loops: q [B,H,T,D], k and v [B,G,S,D] → o [B,T,H,D], lse [B,H,T]. */
function attend({ B, H, G, T, S, D, causal }: Case, scale: number, q: Float64Array, k: Float64Array, v: Float64Array, mods: Mods = {}): { o: Float64Array; lse: Float64Array } {
  const o = new Float64Array(B * T * H * D), lse = new Float64Array(B * H * T);
  for (let b = 0; b < B; b++) for (let h = 0; h < H; h++) for (let t = 0; t < T; t++) {
    const g = Math.floor(h * G / H), scores = new Float64Array(S).fill(-Infinity);
    for (let s = 0; s < S; s++) {
      if ((causal && s > t + S - T) || (mods.mask && !mods.mask(b, h, t, s))) continue;
      let dot = 0;
      for (let d = 0; d < D; d++) dot += q[((b * H + h) * T + t) * D + d]! * k[((b * G + g) * S + s) * D + d]!;
      scores[s] = mods.score ? mods.score(dot * scale, b, h, t, s) : dot * scale;
    }
    const most = Math.max(...scores, -Infinity), sum = most === -Infinity ? 0 : scores.reduce((total, x) => total + Math.exp(x - most), 0);
    lse[(b * H + h) * T + t] = most + Math.log(sum);
    if (sum === 0) { lse[(b * H + h) * T + t] = -Infinity; continue; }
    for (let s = 0; s < S; s++) for (let d = 0; d < D; d++) o[((b * T + t) * H + h) * D + d]! += Math.exp(scores[s]! - most) / sum * v[((b * G + g) * S + s) * D + d]!;
  }
  return { o, lse };
}

/** Gradients of Σ o · g by central differences, as [B,T,H,D], [B,S,G,D], [B,S,G,D]. */
function differences(c: Case, scale: number, operands: readonly [Float64Array, Float64Array, Float64Array], g: Float64Array, mods: Mods, wanted: (index: number) => boolean): { at: number; operand: number; slope: number }[] {
  const total = (): number => attend(c, scale, ...operands, mods).o.reduce((sum, x, i) => sum + x * g[i]!, 0);
  const found: { at: number; operand: number; slope: number }[] = [], step = 1e-4;
  operands.forEach((operand, which) => {
    for (let i = 0; i < operand.length; i++) {
      if (!wanted(i)) continue;
      const before = operand[i]!;
      operand[i] = before + step;
      const above = total();
      operand[i] = before - step;
      found.push({ at: i, operand: which, slope: (above - total()) / (2 * step) });
      operand[i] = before;
    }
  });
  return found;
}

/** Gradients in plain loops, from the definition of softmax. */
function gradients({ B, H, G, T, S, D, causal }: Case, scale: number, q: Float64Array, k: Float64Array, v: Float64Array, g: Float64Array, mods: Mods = {}, slope?: (s: number) => number): { dq: Float64Array; dk: Float64Array; dv: Float64Array } {
  const { o, lse } = attend({ B, H, G, T, S, D, causal }, scale, q, k, v, mods);
  const dq = new Float64Array(B * T * H * D), dk = new Float64Array(B * S * G * D), dv = new Float64Array(B * S * G * D);
  for (let b = 0; b < B; b++) for (let h = 0; h < H; h++) for (let t = 0; t < T; t++) for (let s = 0; s < S; s++) {
    if ((causal && s > t + S - T) || (mods.mask && !mods.mask(b, h, t, s))) continue;
    const key = Math.floor(h * G / H), row = ((b * T + t) * H + h) * D, column = ((b * S + s) * G + key) * D;
    let raw = 0, upstream = 0;
    for (let d = 0; d < D; d++) {
      raw += q[((b * H + h) * T + t) * D + d]! * k[((b * G + key) * S + s) * D + d]!;
      upstream += g[row + d]! * (v[((b * G + key) * S + s) * D + d]! - o[row + d]!);
    }
    const score = mods.score ? mods.score(raw * scale, b, h, t, s) : raw * scale;
    const p = Math.exp(score - lse[(b * H + h) * T + t]!), ds = p * upstream * scale * (slope ? slope(raw * scale) : 1);
    for (let d = 0; d < D; d++) {
      dq[row + d]! += ds * k[((b * G + key) * S + s) * D + d]!;
      dk[column + d]! += ds * q[((b * H + h) * T + t) * D + d]!;
      dv[column + d]! += p * g[row + d]!;
    }
  }
  return { dq, dk, dv };
}

const cases: Case[] = ([[1, 1, 1, 1, 1, 1], [1, 2, 1, 7, 7, 5], [2, 4, 2, 63, 65, 8], [1, 3, 3, 65, 63, 16], [1, 2, 2, 64, 64, 32], [1, 6, 2, 130, 150, 12], [2, 2, 1, 1, 77, 64], [1, 4, 2, 3, 130, 7], [2, 2, 2, 4, 66, 3], [1, 1, 1, 2, 1, 8], [1, 1, 1, 20, 3, 9], [1, 2, 1, 3, 0, 4]] as const)
  .flatMap(([B, H, G, T, S, D]) => [true, false].map((causal) => ({ B, H, G, T, S, D, causal })));

const kernelOf = (op: string, inputs: View[], outputs: View[], attributes: FusedKernel['attributes'], scratch: FusedKernel['scratch'] = []): FusedKernel => ({ kind: 'fused', name: op, op, attributes, inputs, outputs, scratch });

describe.each(variants)('threads $threads, relaxed SIMD $relaxedSimd', (options) => {
  let device: WasmDevice;
  beforeAll(async () => { device = await openDevice({ ...options, poison: true, divide: true }); });
  afterAll(() => device.close());

  async function forward(c: Case, dtype: DType = 'f32', attributes: Record<string, unknown> = {}, mods: Mods = {}, extra: { slots?: ReturnType<typeof input>[]; host?: Float32Array[] } = {}) {
    const { B, H, G, T, S, D, causal } = c, scale = 1 / Math.sqrt(D), amount = 2;
    const x = data(dtype, B * H * T * D, 1, amount), y = data(dtype, B * G * S * D, 2, amount), z = data(dtype, B * G * S * D, 3, amount);
    const [q, k, v] = [input(0, dtype, x.host.length), input(1, dtype, y.host.length), input(2, dtype, z.host.length)], [o, lse] = [output(0, dtype, B * T * H * D), output(1, 'f32', B * H * T)];
    const kernel = kernelOf('attention', [view(q, [B, H, T, D]), view(k, [B, G, S, D]), view(v, [B, G, S, D])], [view(o, [B, T, H, D]), view(lse, [B, H, T])], { scale, causal, ...attributes });
    const [got, logs] = await runOnce(device, plan([kernel], { inputs: [q, k, v, ...extra.slots ?? []], outputs: [o, lse] }), [x.host, y.host, z.host, ...extra.host ?? []]);
    const expected = attend(c, scale, x.numbers, y.numbers, z.numbers, mods);
    return { got: got!, logs: logs!, expected, x, y, z };
  }

  test.each(cases)('forward $B×$H/$G heads, $T queries, $S keys of $D, causal $causal', async (c) => {
    const { got, logs, expected } = await forward(c);
    expect(distance(got, expected.o)).toBeLessThan(5e-6);
    expect(distance(logs, expected.lse)).toBeLessThan(5e-6);
  });

  test('halves', async () => {
    const { got, logs, expected } = await forward(cases[4]!, 'f16');
    expect(distance(got, expected.o)).toBeLessThan(1e-3);
    expect(distance(logs, expected.lse)).toBeLessThan(5e-6);
  });

  test('few queries of halves', async () => {
    for (const c of cases.filter(({ T, S }) => T <= 4 && S > 0)) {
      const { got, expected } = await forward(c, 'f16');
      expect(distance(got, expected.o)).toBeLessThan(1e-3);
    }
  });

  test('very large scores do not overflow', async () => {
    const c = cases[6]!, { B, H, G, T, S, D } = c, x = data('f32', B * H * T * D, 1, 300), y = data('f32', B * G * S * D, 2, 300), z = data('f32', B * G * S * D, 3);
    const [q, k, v] = [input(0, 'f32', x.host.length), input(1, 'f32', y.host.length), input(2, 'f32', z.host.length)], [o, lse] = [output(0, 'f32', B * T * H * D), output(1, 'f32', B * H * T)];
    const kernel = kernelOf('attention', [view(q, [B, H, T, D]), view(k, [B, G, S, D]), view(v, [B, G, S, D])], [view(o, [B, T, H, D]), view(lse, [B, H, T])], { scale: 1, causal: true });
    const [got] = await runOnce(device, plan([kernel], { inputs: [q, k, v], outputs: [o, lse] }), [x.host, y.host, z.host]);
    expect(distance(got!, attend(c, 1, x.numbers, y.numbers, z.numbers).o)).toBeLessThan(1e-4);
  });

  test('heads inside one projection: strided q, k, v of one slot', async () => {
    const [B, H, T, D] = [2, 3, 21, 8], x = data('f32', B * T * 3 * H * D, 4), from = input(0, 'f32', x.host.length), [o, lse] = [output(0, 'f32', B * T * H * D), output(1, 'f32', B * H * T)];
    const part = (i: number): View => ({ slot: from, offset: i * H * D, shape: [B, H, T, D], strides: [T * 3 * H * D, D, 3 * H * D, 1] });
    const [got] = await runOnce(device, plan([kernelOf('attention', [part(0), part(1), part(2)], [view(o, [B, T, H, D]), view(lse, [B, H, T])], { scale: 0.3, causal: true })], { inputs: [from], outputs: [o, lse] }), [x.host]);
    const [q, k, v] = [0, 1, 2].map((i) => { const out = new Float64Array(B * H * T * D); for (let b = 0; b < B; b++) for (let h = 0; h < H; h++) for (let t = 0; t < T; t++) for (let d = 0; d < D; d++) out[((b * H + h) * T + t) * D + d] = x.numbers[((b * T + t) * 3 + i) * H * D + h * D + d]!; return out; }) as [Float64Array, Float64Array, Float64Array];
    expect(distance(got!, attend({ B, H, G: H, T, S: T, D, causal: true }, 0.3, q, k, v).o)).toBeLessThan(5e-6);
  });

  const position = (axis: number): Expression => ({ kind: 'index', dtype: 'i32', index: affine(0, ...[0, 1, 2, 3].map((a) => Number(a === axis))) });
  const accumulator: Expression = { kind: 'accumulator', dtype: 'f32' };
  const near: Expression = binary('lt', binary('sub', position(2), position(3)), constant(9, 'i32'));
  const nearMask: Mods = { mask: (_b, _h, q, k) => q - k < 9 };

  test('a mask: sliding windows, and rows that it leaves empty', async () => {
    for (const c of cases.filter(({ S }) => S > 0)) {
      const { got, logs, expected } = await forward(c, 'f32', { mask: near }, nearMask);
      expect(distance(got, expected.o)).toBeLessThan(5e-6);
      expect(distance(logs, expected.lse)).toBeLessThan(5e-6);
    }
  });

  const modulo = (x: Expression, m: number): Expression => binary('mod', x, constant(m, 'i32'));
  const zero = constant(0, 'i32'), apart = binary('sub', position(2), position(3));
  /** Masks whose blocks are dealt out by residues, or trimmed at both sides. */
  const scattered: [string, Expression, NonNullable<Mods['mask']>][] = [
    ['every second key', binary('eq', modulo(apart, 2), zero), (_b, _h, q, k) => (q - k) % 2 === 0],
    ['every third key but one', binary('and', binary('ne', modulo(binary('add', position(3), constant(1, 'i32')), 3), zero), binary('ne', position(3), constant(4, 'i32'))), (_b, _h, _q, k) => (k + 1) % 3 !== 0 && k !== 4],
    ['keys of a residue by head in a window', binary('and', binary('lt', apart, constant(30, 'i32')), binary('eq', modulo(binary('add', apart, position(1)), 2), zero)), (_b, h, q, k) => q - k < 30 && (q - k + h) % 2 === 0],
    ['every fourth key, by remainders of both signs', binary('eq', modulo(apart, 4), constant(1, 'i32')), (_b, _h, q, k) => (q - k) % 4 === 1],
    ['a comb or a window', binary('or', binary('eq', modulo(apart, 16), zero), binary('lt', apart, constant(5, 'i32'))), (_b, _h, q, k) => (q - k) % 16 === 0 || q - k < 5],
    ['the last two of each sixteen or the own sixteen, not all of them', binary('and', binary('or', binary('eq', binary('div', position(2), constant(16, 'i32')), binary('div', position(3), constant(16, 'i32'))), binary('le', constant(14, 'i32'), modulo(position(3), 16))), binary('ne', position(3), constant(47, 'i32'))), (_b, _h, q, k) => (Math.floor(q / 16) === Math.floor(k / 16) || k % 16 >= 14) && k !== 47],
    ['queries that see far keys alone, by head', binary('or', binary('and', binary('lt', position(2), constant(70, 'i32')), binary('lt', apart, binary('add', constant(7, 'i32'), position(1)))), binary('eq', modulo(binary('sub', position(3), position(2)), 12), zero)), (_b, h, q, k) => (q < 70 && q - k < 7 + h) || (k - q) % 12 === 0],
    ['queries of a remainder, or the first keys', binary('or', binary('eq', modulo(position(2), 8), constant(3, 'i32')), binary('lt', position(3), constant(3, 'i32'))), (_b, _h, q, k) => q % 8 === 3 || k < 3],
    ['every third key alone', binary('eq', modulo(position(3), 3), constant(2, 'i32')), (_b, _h, _q, k) => k % 3 === 2],
    ['queries in turns of eight, none of the second block', binary('and', binary('lt', modulo(position(2), 16), constant(8, 'i32')), binary('ne', binary('div', position(2), constant(64, 'i32')), constant(1, 'i32'))), (_b, _h, q) => q % 16 < 8 && Math.floor(q / 64) !== 1],
    ['keys of the middle', binary('and', binary('lt', constant(20, 'i32'), position(3)), binary('lt', position(3), constant(45, 'i32'))), (_b, _h, _q, k) => k > 20 && k < 45],
  ];
  test.each(scattered)('a mask: %s, forward and backward', async (_, mask, visible) => {
    for (const c of [cases[4]!, cases[7]!, cases[10]!, ...([[1, 2, 1, 200, 230, 8], [1, 2, 2, 230, 200, 5]] as const).flatMap(([B, H, G, T, S, D]) => [true, false].map((causal) => ({ B, H, G, T, S, D, causal })))]) {
      const { got, logs, expected } = await forward(c, 'f32', { mask }, { mask: visible });
      expect(distance(got, expected.o)).toBeLessThan(5e-6);
      expect(distance(logs, expected.lse)).toBeLessThan(5e-6);
      const back = await backward(c, 'f32', { mask }, { mask: visible });
      for (const [i, wanted] of [back.expected.dq, back.expected.dk, back.expected.dv].entries()) expect(distance(back.got[i]!, wanted)).toBeLessThan(2e-5);
    }
  });

  test('a score mod: a bias from a table, by head and distance, and a soft cap', async () => {
    const c = cases[10]!, slopes = input(3, 'f32', c.H), host = Float32Array.from({ length: c.H }, (_, h) => 0.1 * (h + 1));
    const away: Expression = { kind: 'cast', dtype: 'f32', x: binary('sub', position(2), position(3)) };
    const capped = binary('mul', unary('tanh', binary('mul', accumulator, constant(0.5))), constant(2));
    const score = binary('sub', capped, binary('mul', load(slopes, affine(0, 0, 1)), away));
    const { got, expected } = await forward(c, 'f32', { score }, { score: (s, _b, h, q, k) => 2 * Math.tanh(0.5 * s) - host[h]! * (q - k) }, { slots: [slopes], host: [host] });
    expect(distance(got, expected.o)).toBeLessThan(5e-6);
  });

  async function backward(c: Case, dtype: DType, attributes: Record<string, unknown> = {}, mods: Mods = {}) {
    const { B, H, G, T, S, D, causal } = c, scale = 1 / Math.sqrt(D);
    const [x, y, z, w] = [data(dtype, B * H * T * D, 1, 2), data(dtype, B * G * S * D, 2, 2), data(dtype, B * G * S * D, 3, 2), data(dtype, B * T * H * D, 4)];
    const [q, k, v, g] = [input(0, dtype, x.host.length), input(1, dtype, y.host.length), input(2, dtype, z.host.length), input(3, dtype, w.host.length)];
    const outs = [output(0, dtype, B * T * H * D), output(1, dtype, B * S * G * D), output(2, dtype, B * S * G * D)];
    const bytes = dtype === 'f16' ? 2 : 4, aligned = (n: number): number => Math.ceil(n / 256) * 256;
    const o = slot(dtype, B * T * H * D, { kind: 'work', offset: 0 }), lse = slot('f32', B * H * T, { kind: 'work', offset: aligned(B * T * H * D * bytes) });
    let workBytes = aligned(B * T * H * D * bytes) + aligned(B * H * T * 4);
    /** The kernel, with the scratch that it asks for. */
    const withScratch = (kernel: FusedKernel): FusedKernel => {
      const of = (list: readonly View[]) => list.map(({ shape, slot: { dtype: one } }) => ({ shape, dtype: one }));
      const scratch = fusedKernel(kernel.op)!.scratch({ op: { kind: 'fused' } as never, attributes: kernel.attributes, inputs: of(kernel.inputs), outputs: of(kernel.outputs) }, options.threads);
      return { ...kernel, scratch: scratch.map((size) => { const one = slot('u32', size / 4, { kind: 'work', offset: workBytes }); workBytes += aligned(size); return one; }) };
    };
    const views = [view(q, [B, H, T, D]), view(k, [B, G, S, D]), view(v, [B, G, S, D])];
    const first = withScratch(kernelOf('attention', views, [view(o, [B, T, H, D]), view(lse, [B, H, T])], { scale, causal, ...attributes }));
    const second = withScratch(kernelOf('attentionGrad', [...views, view(o, [B, T, H, D]), view(lse, [B, H, T]), view(g, [B, T, H, D])], [view(outs[0]!, [B, T, H, D]), view(outs[1]!, [B, S, G, D]), view(outs[2]!, [B, S, G, D])], { scale, causal, ...attributes }));
    const got = await runOnce(device, plan([first, second], { inputs: [q, k, v, g], outputs: outs, workBytes }), [x.host, y.host, z.host, w.host]);
    return { got, expected: gradients(c, scale, x.numbers, y.numbers, z.numbers, w.numbers, mods), scale, x, y, z, w };
  }

  test.each(cases)('gradient $B×$H/$G heads, $T queries, $S keys of $D, causal $causal', async (c) => {
    const { got, expected } = await backward(c, 'f32');
    expect(distance(got[0]!, expected.dq)).toBeLessThan(2e-5);
    expect(distance(got[1]!, expected.dk)).toBeLessThan(2e-5);
    expect(distance(got[2]!, expected.dv)).toBeLessThan(2e-5);
  });

  test('gradient in halves, and under a mask', async () => {
    const half = await backward(cases[4]!, 'f16');
    for (const [i, expected] of [half.expected.dq, half.expected.dk, half.expected.dv].entries()) expect(distance(half.got[i]!, expected)).toBeLessThan(5e-3);
    for (const c of cases.slice(2, 12)) {
      const masked = await backward(c, 'f32', { mask: near }, nearMask);
      for (const [i, expected] of [masked.expected.dq, masked.expected.dk, masked.expected.dv].entries()) expect(distance(masked.got[i]!, expected)).toBeLessThan(2e-5);
    }
  });

  test('two parts in halves, several heads a key head', async () => {
    const [, mask, visible] = scattered.find(([name]) => name.startsWith('the last two'))!, c = { B: 1, H: 4, G: 2, T: 199, S: 210, D: 7, causal: true };
    const { got, expected } = await backward(c, 'f16', { mask }, { mask: visible });
    for (const [i, wanted] of [expected.dq, expected.dk, expected.dv].entries()) expect(distance(got[i]!, wanted)).toBeLessThan(5e-3);
  });

  test('gradient under a score mod: soft cap and bias; and one that forgets the score', async () => {
    const away: Expression = { kind: 'cast', dtype: 'f32', x: binary('sub', position(2), position(3)) };
    const capped = binary('mul', unary('tanh', binary('mul', accumulator, constant(0.5))), constant(2));
    for (const c of [cases[4]!, cases[7]!, cases[10]!]) {
      const score = binary('sub', capped, binary('mul', constant(0.1), away));
      const { got, scale, x, y, z, w } = await backward(c, 'f32', { score, slope: binary('sub', constant(1), binary('mul', unary('tanh', binary('mul', accumulator, constant(0.5))), unary('tanh', binary('mul', accumulator, constant(0.5))))) });
      const mods: Mods = { score: (s, _b, _h, q, k) => 2 * Math.tanh(0.5 * s) - 0.1 * (q - k) };
      const expected = gradients(c, scale, x.numbers, y.numbers, z.numbers, w.numbers, mods, (s) => 1 - Math.tanh(0.5 * s) ** 2);
      for (const [i, each] of [expected.dq, expected.dk, expected.dv].entries()) expect(distance(got[i]!, each)).toBeLessThan(3e-5);
    }
    const { got } = await backward(cases[4]!, 'f32', { score: away, slope: constant(0) });
    expect(distance(got[0]!, new Float64Array(got[0]!.length))).toBe(0);
    expect(got[2]!.some((v) => Math.abs(v) > 0.1)).toBe(true);
  });

  test('gradient against finite differences', async () => {
    for (const c of [cases[2]!, cases[4]!, cases[7]!]) {
      const { got, scale, x, y, z, w } = await backward(c, 'f32'), { H, G, T, S, D } = c;
      const found = differences(c, scale, [x.numbers, y.numbers, z.numbers], w.numbers, {}, (i) => i % 397 === 3 || (T < 10 && i % 3 === 0));
      for (const { at, operand, slope } of found) {
        const [heads, length] = operand === 0 ? [H, T] : [G, S], d = at % D, t = Math.floor(at / D) % length, h = Math.floor(at / (D * length)) % heads, b = Math.floor(at / (D * length * heads));
        expect(Math.abs(got[operand]![((b * length + t) * heads + h) * D + d]! - slope)).toBeLessThan(2e-4 * (1 + Math.abs(slope)));
      }
      expect(found.length).toBeGreaterThan(3);
    }
  });
});

// Chunks, scans and inverses against plain f64 loops; and what a long sequence costs.
import { describe, expect, test } from 'vitest';
import { Module, normalInitializer, type AttentionVariant } from '@ashlar/nn';
import { gradients, jit, plannedBytes, plannedFlops, read, tensor, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { decodingCache, deltaRule, gatedDeltaRule, gatedLinear, linearAttention, mamba2, retention } from '../index.js';
import { decayedProduct, type Mixed } from './decayed-product.js';
import { deltaProduct } from './delta-product.js';
import { gatedProduct } from './gated-product.js';
import { fadingStates, matrixStates } from './scan.js';
import { unitTriangularInverse } from './triangular-inverse.js';

const noise = (count: number, seed: number): Float32Array => Float32Array.from({ length: count }, (_, i) => Math.sin(seed * 7.1 + i * 12.9898 + Math.cos(i * 4.37)) % 1);
const of = (shape: readonly number[], seed: number): Tensor => tensor(noise(shape.reduce((a, b) => a * b, 1), seed), { shape });
const near = (got: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-5): void => {
  expect(got.length).toBe(expected.length);
  for (let i = 0; i < got.length; i++) expect(Math.abs(got[i]! - expected[i]!) / (1 + Math.abs(expected[i]!)), `element ${i}: ${got[i]}, expected ${expected[i]}`).toBeLessThan(tolerance);
};

describe('states of many chunks', () => {
  const D = 2, E = 3;
  const loop = (N: number, step: (state: number[][], n: number) => number[][], initial: number[][]): number[] => {
    const all: number[] = [];
    for (let n = 0, state = initial; n < N; state = step(state, n), n++) all.push(...state.flat());
    return all;
  };
  const start = (given: Float32Array | undefined): number[][] => Array.from({ length: D }, (_, d) => Array.from({ length: E }, (__, e) => given?.[d * E + e] ?? 0));

  test.each([1, 2, 16, 17, 40, 300])('%d of them, with factors', async (N) => {
    const added = noise(N * D * E, 1), initial = noise(D * E, 2);
    for (const F of [0, 1, D]) for (const given of [undefined, initial]) for (const every of [0, 5, 23]) { // chunks after which a state begins anew
      const log = F === 0 ? undefined : noise(N * F, 3).map((value) => -Math.abs(value)), resets = every === 0 ? undefined : Float32Array.from({ length: N }, (_, n) => Number(n % every === 3));
      const got = await fadingStates({ log: log && tensor(log, { shape: [1, N, F] }), added: tensor(added, { shape: [1, N, D, E] }), resets: resets && tensor(resets, { shape: [1, N] }) }, given && tensor(given, { shape: [1, D, E] })).data(reference());
      near(got, loop(N, (state, n) => state.map((row, d) => row.map((value, e) => value * (resets?.[n] === 1 ? 0 : log ? Math.exp(log[n * F + (F === 1 ? 0 : d)]!) : 1) + added[(n * D + d) * E + e]!)), start(given)));
    }
  });

  test.each([1, 2, 3, 4, 7, 16, 33])('%d of them, with matrices', async (N) => {
    const added = noise(N * D * E, 1), through = noise(N * D * D, 4).map((value) => value * 0.7), initial = noise(D * E, 2);
    const got = await matrixStates({ through: tensor(through, { shape: [1, N, D, D] }), added: tensor(added, { shape: [1, N, D, E] }) }, tensor(initial, { shape: [1, D, E] })).data(reference());
    near(got, loop(N, (state, n) => state.map((row, d) => row.map((_, e) => added[(n * D + d) * E + e]! + state.reduce((sum, other, i) => sum + through[(n * D + d) * D + i]! * other[e]!, 0))), start(initial)));
  });
});

describe('the inverse of I + L', () => {
  test.each([1, 2, 8, 16, 64])('of size %d', async (C) => {
    const lower = noise(2 * C * C, 5).map((value) => 0.5 * value), given = tensor(lower, { shape: [2, C, C] }), g = of([2, C, C], 6);
    const device = await wasm({ threads: 1 });
    const [inverse, slope] = jit((x: Tensor) => { const y = unitTriangularInverse(x); return [y, gradients(y.mul(g).sum(), [x])[0]!]; }, { device })(given);
    const got = await inverse!.data(), slopes = await slope!.data();
    for (let b = 0; b < 2; b++) for (let i = 0; i < C; i++) for (let j = 0; j < C; j++) { // (I + L) X = I
      let sum = got[(b * C + i) * C + j]!;
      for (let k = 0; k < i; k++) sum += lower[(b * C + i) * C + k]! * got[(b * C + k) * C + j]!;
      expect(Math.abs(sum - Number(i === j))).toBeLessThan(1e-4);
    }
    // The slope along one element of L, by differences of a forward substitution in f64.
    const weights = await g.data(reference()), lossAt = (shift: number, row: number, column: number): number => {
      const x = new Float64Array(C * C), at = (i: number, k: number): number => lower[i * C + k]! + (i === row && k === column ? shift : 0);
      let loss = 0;
      for (let i = 0; i < C; i++) for (let j = 0; j < C; j++) {
        let value = Number(i === j);
        for (let k = 0; k < i; k++) value -= at(i, k) * x[k * C + j]!;
        x[i * C + j] = value;
        loss += value * weights[i * C + j]!;
      }
      return loss;
    };
    for (const [row, column] of [[1, 0], [C - 1, C >> 1], [C - 1, C - 2], [C >> 1, 0]] as const) {
      if (row <= column || column < 0) continue;
      const expected = (lossAt(1e-5, row, column) - lossAt(-1e-5, row, column)) / 2e-5;
      expect(Math.abs(slopes[row * C + column]! - expected) / (1 + Math.abs(expected))).toBeLessThan(1e-3);
    }
    expect(slopes[0]).toBe(0);
    await device.close();
  });
  test('says what it takes', () => { expect(() => unitTriangularInverse(of([3, 3], 1))).toThrow('unitTriangularInverse takes f32 […, C, C], C a power of two, got f32 [3, 3]'); });
});

describe('chunks are the recurrence', () => {
  const [B, H, T, D, E] = [1, 2, 1100, 4, 3];
  const given = { q: of([B, H, T, D], 1), k: of([B, H, T, D], 2), v: of([B, H, T, E], 3) };
  const small = (shape: readonly number[], seed: number): Tensor => tensor(noise(shape.reduce((a, b) => a * b, 1), seed).map((value) => -0.2 * Math.abs(value)), { shape });
  const unit = (x: Tensor): Tensor => x.div(x.square().sum(-1, { keepDims: true }).sqrt());
  const products: Readonly<Record<string, (from: number, to: number, state: Tensor | undefined) => Mixed>> = {
    decayed: (from, to, state) => decayedProduct({ ...part(given, from, to), logDecay: cutTokens(small([1, H, T], 4), from, to), state }),
    gated: (from, to, state) => gatedProduct({ ...part(given, from, to), logDecay: cutTokens(small([B, H, T, D], 5), from, to), state }),
    delta: (from, to, state) => deltaProduct({ ...part({ ...given, k: unit(given.k) }, from, to), rate: cutTokens(of([B, H, T], 6).sigmoid(), from, to), logDecay: cutTokens(small([B, H, T], 7), from, to), state }),
  };
  const cutTokens = (x: Tensor, from: number, to: number): Tensor => x.slice(undefined, undefined, [from, to]);
  const part = (all: typeof given, from: number, to: number): typeof given => ({ q: cutTokens(all.q, from, to), k: cutTokens(all.k, from, to), v: cutTokens(all.v, from, to) });

  test.each(Object.keys(products))('%s: a long text at once, and in pieces of any length', async (name) => {
    const device = await wasm({ threads: 1 }), run = products[name]!, whole = run(0, T, undefined), expected = await whole.output.data(device), final = await whole.state.data(device);
    let state: Tensor | undefined, at = 0;
    for (const length of [1, 63, 65, 1, 600, 70, 300]) {
      const piece = run(at, at + length, state), got = await piece.output.data(device);
      state = tensor(Float32Array.from(await piece.state.data(device)), { shape: [B, H, D, E] });
      near(got, Float32Array.from({ length: got.length }, (_, i) => expected[(Math.floor(i / (length * E)) * T + at) * E + (i % (length * E))]!), 1e-4);
      at += length;
    }
    near(await state!.data(device), final, 1e-4);
    await device.close();
  });
});

describe('what a sequence costs', () => {
  class NoPositions extends Module {}
  const C = 32, weight = normalInitializer(0.1);
  const variants: Readonly<Record<string, AttentionVariant>> = {
    linearAttention: linearAttention({ heads: 2 }), retention: retention({ heads: 2 }), gatedLinear: gatedLinear({ heads: 2 }), deltaRule: deltaRule({ heads: 2 }), gatedDeltaRule: gatedDeltaRule({ heads: 2 }), mamba2: mamba2({ heads: 2, stateWidth: 16 }),
  };
  test.each(Object.entries(variants))('%s: operations and bytes of training grow with the length; a decoding step stays as it is', async (_, variant) => {
    const device = await wasm({ threads: 1 });
    const part = variant.build({ width: C, bias: false, dropout: { attention: 0, residual: 0 }, positional: new NoPositions(), initializers: { weight, value: weight, residual: weight } });
    part.initialize(0);
    const [short, long] = [512, 8192].map((T) => {
      const step = jit((x: Tensor) => gradients(part.forward({ x, positions: 0 }).square().sum(), [x, ...part.parameters().map(read)]), { device });
      step.prepare(tensor(new Float32Array(T * C), { shape: [1, T, C] }));
      const plan = step.plan!, cost = { operations: plannedFlops(plan) / T, bytes: plannedBytes(plan) / T };
      step.release();
      return cost;
    }) as [{ operations: number; bytes: number }, { operations: number; bytes: number }];
    expect(long.operations / short.operations).toBeLessThan(1.1);
    expect(long.bytes / short.bytes).toBeLessThan(1.1);
    // Forward and backward are three times forward; the figure counts products alone, as a chunk of a long text has them.
    expect(long.operations / (3 * part.flopsPerToken(4096))).toBeGreaterThan(0.9);
    expect(long.operations / (3 * part.flopsPerToken(4096))).toBeLessThan(1.35);

    const costs = [512, 8192].map((capacity) => {
      const cache = decodingCache({ capacity });
      const step = jit((x: Tensor, start: Tensor) => part.forward({ x, positions: 0, cache: cache.layer('layer', start) }), { device });
      step.prepare(tensor(new Float32Array(C), { shape: [1, 1, C] }), cache.extend(1));
      const cost = [plannedFlops(step.plan!), plannedBytes(step.plan!), cache.bytes];
      step.release();
      cache.release();
      return cost;
    });
    expect(costs[1]).toEqual(costs[0]);
    expect(costs[0]![2]).toBeGreaterThan(0);
    await device.close();
  });
});

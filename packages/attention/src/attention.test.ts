import { describe, expect, test } from 'vitest';
import { finiteDifferences, worstDerivative } from '@ashlar/conformance';
import { normalInitializer, training, type Attention, type AttentionSite, type AttentionVariant, type PositionalEncoding } from '@ashlar/nn';
import { rotary } from '@ashlar/positional';
import { jit, tensor, type Device, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { webgpu } from '@ashlar/webgpu-node';
import { grouped, multiHead } from './index.js';

function values(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 48271) + 11) >>> 0;
    return state / 2 ** 31 - 1;
  });
}
const width = 12;
const initializers = { weight: normalInitializer(0.5), value: normalInitializer(0.5), residual: normalInitializer(0.5) };
const encoding = (): PositionalEncoding => rotary().build({ width, maxLength: undefined, heads: undefined, causal: true, initializers });
const still = { ...encoding(), rotate: undefined } as unknown as PositionalEncoding;
const site = (positional: PositionalEncoding = still, dropout = { attention: 0, residual: 0 }): AttentionSite => ({ width, bias: true, dropout, positional, initializers });
function filled(variant: AttentionVariant, at: AttentionSite): Attention {
  const part = variant.build(at);
  part.initialize(1);
  part.parameters().forEach((parameter, i) => parameter.write(values(parameter.size, 3 + i)));
  return part;
}

interface Loops { readonly heads: number; readonly kvHeads: number; readonly D: number; readonly causal: boolean; readonly scale: number; readonly rotated: boolean }

/** Attention of one sequence, row by row. Weights [out, in] and biases by name. */
function attentionLoops(x: readonly number[][], weights: ReadonlyMap<string, ArrayLike<number>>, { heads, kvHeads, D, causal, scale, rotated }: Loops): number[][] {
  const linear = (row: readonly number[], name: string, from: number, count: number): number[] => Array.from({ length: count }, (_, o) =>
    row.reduce((sum, value, i) => sum + value * weights.get(`${name}.weight`)![(from + o) * row.length + i]!, weights.get(`${name}.bias`)?.[from + o] ?? 0));
  const turn = (row: number[], position: number): number[] => (rotated ? row.map((value, i) => {
    const inHead = i % D, half = D / 2, angle = position * 10000 ** (-2 * (inHead % half) / D);
    return value * Math.cos(angle) + (inHead < half ? -row[i + half]! : row[i - half]!) * Math.sin(angle);
  }) : row);
  const packed = weights.has('qkv.weight'), H = heads * D, G = kvHeads * D;
  const q = x.map((row, t) => turn(packed ? linear(row, 'qkv', 0, H) : linear(row, 'query', 0, H), t));
  const k = x.map((row, t) => turn(packed ? linear(row, 'qkv', H, H) : linear(row, 'key', 0, G), t));
  const v = x.map((row) => (packed ? linear(row, 'qkv', 2 * H, H) : linear(row, 'value', 0, G)));
  return x.map((_, t) => {
    const mixed: number[] = [];
    for (let h = 0; h < heads; h++) {
      const g = Math.floor(h * kvHeads / heads), seen = causal ? t + 1 : x.length;
      const exponentials = Array.from({ length: seen }, (_, s) => {
        let score = 0;
        for (let d = 0; d < D; d++) score += q[t]![h * D + d]! * k[s]![g * D + d]!;
        return Math.exp(score * scale);
      });
      const total = exponentials.reduce((a, b) => a + b, 0);
      for (let d = 0; d < D; d++) mixed.push(exponentials.reduce((sum, e, s) => sum + e / total * v[s]![g * D + d]!, 0));
    }
    return linear(mixed, 'output', 0, width);
  });
}

const variants: readonly [string, AttentionVariant, AttentionSite, Loops][] = [
  ['multiHead', multiHead({ heads: 3 }), site(), { heads: 3, kvHeads: 3, D: 4, causal: true, scale: 0.5, rotated: false }],
  ['multiHead without bias, rotated', multiHead({ heads: 2, bias: false }), site(encoding()), { heads: 2, kvHeads: 2, D: 6, causal: true, scale: 1 / Math.sqrt(6), rotated: true }],
  ['multiHead, wide heads, both ways', multiHead({ heads: 2, headWidth: 10, causal: false, scale: 0.2 }), site(encoding()), { heads: 2, kvHeads: 2, D: 10, causal: false, scale: 0.2, rotated: true }],
  ['grouped', grouped({ heads: 6, kvHeads: 2 }), site(encoding()), { heads: 6, kvHeads: 2, D: 2, causal: true, scale: 1 / Math.sqrt(2), rotated: true }],
  ['multi-query', grouped({ heads: 3, kvHeads: 1, bias: false }), site(), { heads: 3, kvHeads: 1, D: 4, causal: true, scale: 0.5, rotated: false }],
];

describe.each(variants)('%s', (_, variant, at, loops) => {
  test.each([1, 7])('the values of plain loops at length %i', async (T) => {
    const part = filled(variant, at), x = values(2 * T * width, 2);
    const weights = new Map(await Promise.all([...part.namedParameters()].map(async ([name, one]) => [name, await one.values()] as const)));
    const rows = Array.from({ length: 2 * T }, (_, r) => [...x.subarray(r * width, (r + 1) * width)]);
    const expected = [rows.slice(0, T), rows.slice(T)].flatMap((sequence) => attentionLoops(sequence, weights, loops)).flat();
    for (const device of [reference(), await wasm(), await webgpu({ adapter: 'swiftshader' })]) {
      const got = await part.forward({ x: tensor(x, { shape: [2, T, width] }), positions: 0 }).data(device);
      expect(got.length).toBe(expected.length);
      expected.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 4));
      await part.toHost();
      await device.close();
    }
  });
  test('gradients', async () => {
    const part = filled(variant, at);
    const derivatives = await finiteDifferences({ f: (x) => part.forward({ x: x!, positions: 0 }).tanh().sum(), inputs: [tensor(values(2 * 3 * width, 2), { shape: [2, 3, width] })], variables: part.parameters(), device: reference() });
    expect(worstDerivative(derivatives).error).toBeLessThan(2e-5);
  });
  test('declares what it does, and counts its products', () => {
    expect(variant.capabilities).toMatchObject({ causal: loops.causal, bidirectional: !loops.causal, rotate: true, cross: false, cache: loops.causal });
    const { heads, kvHeads, D } = loops;
    expect(variant.build(at).flopsPerToken(10)).toBe(2 * width * D * (2 * heads + 2 * kvHeads) + 4 * heads * D * 10);
  });
});

describe.each<[string, () => Device | Promise<Device>]>([['reference', reference], ['wasm', wasm], ['webgpu', () => webgpu({ adapter: 'swiftshader' })]])('dropped attention weights on %s', (_, make) => {
  test.each<[string, AttentionVariant]>([['multiHead', multiHead({ heads: 3 })], ['grouped', grouped({ heads: 4, kvHeads: 2 })], ['both ways', multiHead({ heads: 3, causal: false })]])('%s: the mean over many draws is the undropped result', async (_, variant) => {
    const device = await make();
    const part = filled(variant, site(still, { attention: 0.25, residual: 0 }));
    const x = tensor(values(2 * 3 * width, 2), { shape: [2, 3, width] });
    const dropped = jit((key: Tensor) => training({ key }, () => part.forward({ x, positions: 0 })), { device });
    const whole = await jit(() => part.forward({ x, positions: 0 }), { device })().data();
    const mean = new Float64Array(whole.length), squares = new Float64Array(whole.length), draws = 300;
    for (let draw = 0; draw < draws; draw++) {
      const data = await dropped(tensor(Uint32Array.of(7, draw))).data();
      data.forEach((value, i) => { mean[i]! += value / draws; squares[i]! += value * value / draws; });
    }
    const errors = whole.map((value, i) => Math.abs(mean[i]! - value) / Math.sqrt(Math.max(squares[i]! - mean[i]! ** 2, 1e-12) / draws));
    expect(Math.max(...errors)).toBeLessThan(5); // standard errors
    expect(squares.some((square, i) => square - mean[i]! ** 2 > 1e-3)).toBe(true);
    await device.close();
  });
});

test('what cannot be is refused', () => {
  expect(() => multiHead({ heads: 5 }).build(site())).toThrow('multiHead: heads must divide the width (12), got 5; or give headWidth');
  expect(() => grouped({ heads: 8, kvHeads: 3 })).toThrow('grouped: kvHeads must divide heads (8), got 3');
  expect(() => multiHead({ heads: 0 })).toThrow('multiHead: heads must be a whole number from 1, got 0');
  expect(() => multiHead({ heads: 4 }).build(site(encoding()))).toThrow('the head width must be even, got 3');
});

import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { arange, tensor, zeros } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { normalInitializer, type PositionalSite } from '@ashlar/nn';
import { alibi, alibiSlopes, rotaryFrequencies, t5Bucket, rotary, shaw, sinusoidal, t5Bias, xPos, type RotaryScaling } from './index.js';

const begin = normalInitializer(0.02);
const site = (more: Partial<PositionalSite> = {}): PositionalSite => ({ width: 6, maxLength: undefined, heads: undefined, causal: true, initializers: { weight: begin, value: begin, residual: begin }, ...more });

describe('slopes of ALiBi', () => {
  test.each([
    [4, [0.25, 0.0625, 0.015625, 0.00390625]], [6, [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125]], [1, [2 ** -8]],
    [12, [0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625, 0.707107, 0.353553, 0.176777, 0.088388]],
  ])('%i heads', (heads, expected) => {
    const slopes = alibiSlopes(heads);
    expect(slopes.length).toBe(heads);
    slopes.forEach((slope, i) => expect(slope).toBeCloseTo(expected[i]!, 6));
  });
  test('of no heads', () => { expect(() => alibiSlopes(0)).toThrow('alibiSlopes: heads must be a whole number from 1, got 0'); });
});

describe('buckets of T5', () => {
  const bidirectional = { '-128': 15, '-64': 14, '-20': 10, '-16': 10, '-8': 8, '-7': 7, '-1': 1, 0: 0, 1: 17, 7: 23, 8: 24, 16: 26, 64: 30, 128: 31 };
  const causal = { '-128': 31, '-100': 30, '-64': 26, '-32': 21, '-17': 16, '-16': 16, '-15': 15, '-1': 1, 0: 0, 1: 0, 5: 0, 900: 0 };
  test.each(Object.entries(bidirectional))('bidirectional %s', (relative, bucket) => { expect(t5Bucket(Number(relative), { causal: false })).toBe(bucket); });
  test.each(Object.entries(causal))('causal %s', (relative, bucket) => { expect(t5Bucket(Number(relative), { causal: true })).toBe(bucket); });
});

describe('scaled rotary frequencies', () => {
  const ratios = (scaling: RotaryScaling, d = 64, base = 10000): number[] => [...rotaryFrequencies(d, base, scaling)].map((frequency, i) => frequency * base ** ((2 * i) / d));
  test('yarn leaves fast pairs and divides slow ones by the factor', () => {
    const found = ratios({ type: 'yarn', factor: 40, originalLength: 4096 });
    expect(found[0]).toBe(1);
    expect(found[31]).toBeCloseTo(0.025, 12);
    expect(found.every((ratio, i) => i === 0 || ratio <= found[i - 1]! + 1e-12)).toBe(true);
    const turnsOf = (i: number): number => 4096 / (2 * Math.PI * 10000 ** (i / 32));
    found.forEach((ratio, i) => {
      if (turnsOf(i) >= 32 * 10000 ** (1 / 32)) expect(ratio).toBeCloseTo(1, 12);
      if (turnsOf(i) <= 10000 ** (-1 / 32)) expect(ratio).toBeCloseTo(0.025, 12);
    });
  });
  test('yarn multiplies queries and keys by 0.1 ln(factor) + 1', async () => {
    const x = tensor([[[[1, 2, 3, 4]]]]), length = async (scaling: RotaryScaling): Promise<number> => Math.hypot(...await rotary({ scaling }).build(site()).rotate!(x, 3, 'query').data(reference()));
    expect(await length({ type: 'yarn', factor: 40, originalLength: 16 }) / Math.sqrt(30)).toBeCloseTo(0.1 * Math.log(40) + 1, 6);
    expect(await length({ type: 'yarn', factor: 40, originalLength: 16, attentionFactor: 3 }) / Math.sqrt(30)).toBeCloseTo(3, 6);
    expect(await length({ type: 'linear', factor: 40 }) / Math.sqrt(30)).toBeCloseTo(1, 6);
  });
  test('linear divides all', () => { for (const ratio of ratios({ type: 'linear', factor: 8 })) expect(ratio).toBeCloseTo(1 / 8, 12); });
  test('ntk leaves the fastest pair and divides the slowest by the factor', () => {
    const found = ratios({ type: 'ntk', factor: 8 });
    expect(found[0]).toBe(1);
    expect(found.at(-1)).toBeCloseTo(1 / 8, 12);
    expect(rotaryFrequencies(2, 10000, { type: 'ntk', factor: 8 })).toEqual(Float64Array.of(1));
  });
  test('llama3 by wavelength', () => {
    const [factor, originalLength, d, base] = [8, 8192, 128, 500000] as const, found = ratios({ type: 'llama3', factor, originalLength }, d, base);
    found.forEach((ratio, i) => {
      const wavelength = 2 * Math.PI * base ** ((2 * i) / d);
      if (wavelength < originalLength / 4) expect(ratio).toBeCloseTo(1, 12);
      else if (wavelength > originalLength) expect(ratio).toBeCloseTo(1 / factor, 12);
      else {
        const smooth = (originalLength / wavelength - 1) / 3;
        expect(ratio).toBeCloseTo((1 - smooth) / factor + smooth, 12);
        expect(ratio).toBeLessThan(1);
        expect(ratio).toBeGreaterThan(1 / factor);
      }
    });
  });
});

const vectors = new URL('../../../../shared/data/rope-alibi.json', import.meta.url);
test('CTranslate2\'s ALiBi vectors, up to a number a row, which softmax takes away', async (context) => {
  if (!existsSync(vectors)) return context.skip('../shared/data/rope-alibi.json is not here');
  interface Vectors { readonly alibi: { readonly shape: [number, number, number, number]; readonly expected_negative: number[]; readonly expected_positive_positions_4dp: number[] } }
  const { shape: [B, H, T, S], ...expected } = (JSON.parse(readFileSync(vectors, 'utf8')) as Vectors).alibi;
  const mod = alibi().build(site()).scoreMod!({ queries: zeros([B, H, T, 1]), scale: 1, firstQuery: S - T });
  const got = await mod({
    score: zeros([B, H, T, S]), b: arange(B).reshape([B, 1, 1, 1]), h: arange(H).reshape([1, H, 1, 1]), q: arange(T).add(S - T).reshape([1, 1, T, 1]), k: arange(S).reshape([1, 1, 1, S]),
  }).data(reference());
  for (const [name, digits] of [['expected_negative', 6], ['expected_positive_positions_4dp', 3]] as const) {
    expect(expected[name].length).toBe(got.length);
    expected[name].forEach((value, i) => {
      const row = Math.floor(i / S), k = i % S, last = (row % T) + S - T, at = row * S + last;
      if (k <= last) expect(got[i]! - got[at]!, `${name} ${i}`).toBeCloseTo(value - expected[name][at]!, digits);
    });
  }
});

test('products of xPos decay with the distance', async () => {
  const encoding = xPos({ scaleBase: 16 }).build(site()), q = tensor([[[[1, 0, 1, 0]]]]), product = (n: number, m: number): Promise<number> => encoding.rotate!(q, n, 'query').mul(encoding.rotate!(q, m, 'key')).slice(undefined, undefined, undefined, [2, 4]).sum().item(reference());
  expect(await product(20, 4)).toBeCloseTo(await product(116, 100), 5);
  expect(await product(20, 4) / await product(4, 4)).toBeCloseTo(((2 + 0.4 * 4) / (1.4 * 4)) ** 1 * Math.cos(16 / 100), 5);
});

test('what encodings refuse', () => {
  expect(() => sinusoidal({ base: 0 })).toThrow('sinusoidal: base must be greater than 0, got 0');
  expect(() => sinusoidal({ layout: 'mixed' as 'halves' })).toThrow('sinusoidal: layout must be interleaved or halves, got "mixed"');
  expect(() => sinusoidal().build(site({ width: 7 }))).toThrow('the width must be even, got 7');
  expect(() => xPos({ scaleBase: -1 })).toThrow('xPos: scaleBase must be greater than 0, got -1');
  expect(() => xPos().build(site({ maxLength: 40_000 }))).toThrow('xPos: its factors leave f32 past 32695 tokens');
  expect(() => xPos().build(site()).rotate!(tensor([[[[1, 2]]]]), 50_000, 'query')).toThrow('give a greater scaleBase');
  expect(() => t5Bias({ buckets: 6 })).toThrow('t5Bias: buckets must be a multiple of 4, got 6');
  expect(() => t5Bias({ maxDistance: 16 })).toThrow('t5Bias: maxDistance must be greater than buckets / 2 (16), got 16');
  expect(() => t5Bias().build(site())).toThrow('t5Bias: one table serves all layers');
  expect(() => t5Bias().build(site({ heads: { count: 2, width: 4 } })).scoreMod!({ queries: tensor([[[[1]], [[1]], [[1]]]]), scale: 1, firstQuery: 0 })).toThrow('the table is for 2 heads, got queries of 3');
  expect(() => shaw({ maxDistance: 0 })).toThrow('shaw: maxDistance must be a whole number from 1, got 0');
  expect(() => shaw().build(site())).toThrow('shaw: one table serves all layers');
  expect(() => shaw().build(site({ heads: { count: 1, width: 4 } })).scoreMod!({ queries: tensor([[[[1, 2]]]]), scale: 1, firstQuery: 0 })).toThrow('for heads of width 4, got queries of width 2');
  expect(() => rotary({ scaling: { type: 'log' as 'linear', factor: 2 } })).toThrow('rotary: scaling.type must be linear, ntk, yarn, llama3, got "log"');
  expect(() => rotary({ scaling: { type: 'linear', factor: 0.5 } })).toThrow('rotary: scaling.factor must be at least 1, got 0.5');
  expect(() => rotary({ scaling: { type: 'yarn', factor: 2, originalLength: 0 } })).toThrow('rotary: scaling.originalLength must be a number greater than 0, got 0');
  expect(() => rotary({ scaling: { type: 'yarn', factor: 2, originalLength: 8, slowTurns: 40 } })).toThrow('scaling.fastTurns must be greater than slowTurns, got 32 and 40');
  expect(() => rotary({ scaling: { type: 'llama3', factor: 2, originalLength: 8, lowFrequencyFactor: 5 } })).toThrow('highFrequencyFactor must be greater than lowFrequencyFactor, got 4 and 5');
});

import { describe, expect, test } from 'vitest';
import { testNorm, type Weights } from '@ashlar/conformance';
import { tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { dynamicTanh, groupNorm, layerNorm, rmsNorm, scaleNorm } from './index.js';

const devices = { reference, wasm };
const mean = (row: readonly number[]): number => row.reduce((sum, value) => sum + value, 0) / row.length;
const variance = (row: readonly number[]): number => mean(row.map((value) => (value - mean(row)) ** 2));
const affine = (row: readonly number[], weights: Weights): number[] => row.map((value, i) => value * weights.get('gain')![i]! + (weights.get('bias')?.[i] ?? 0));

const layerNormLoops = (epsilon: number) => (row: readonly number[], weights: Weights): number[] => affine(row.map((value) => (value - mean(row)) / Math.sqrt(variance(row) + epsilon)), weights);
const rmsNormLoops = (epsilon: number, plus = 0) => (row: readonly number[], weights: Weights): number[] => row.map((value, i) => (value / Math.sqrt(mean(row.map((one) => one * one)) + epsilon)) * (weights.get('gain')![i]! + plus));

testNorm('layerNorm', layerNorm(), { reference: layerNormLoops(1e-5), devices, changed: { epsilon: layerNorm({ epsilon: 0.5 }), bias: layerNorm({ bias: false }) } });
testNorm('layerNorm without bias', layerNorm({ bias: false, epsilon: 0.1 }), { reference: layerNormLoops(0.1), devices });
testNorm('rmsNorm', rmsNorm(), { reference: rmsNormLoops(1e-6), devices, changed: { epsilon: rmsNorm({ epsilon: 0.5 }), gain: rmsNorm({ gain: 'onePlus' }) } });
testNorm('rmsNorm, one plus gain', rmsNorm({ gain: 'onePlus', epsilon: 0.5 }), { reference: rmsNormLoops(0.5, 1), devices, bias: false });
testNorm('scaleNorm', scaleNorm(), { reference: (row, weights) => row.map((value) => (weights.get('gain')![0]! * value) / Math.hypot(...row)), devices, changed: { epsilon: scaleNorm({ epsilon: 1000 }) } });
testNorm('groupNorm', groupNorm({ groups: 3 }), {
  reference: (row, weights) => affine([0, 1, 2].flatMap((group) => {
    const part = row.slice((group * row.length) / 3, ((group + 1) * row.length) / 3);
    return part.map((value) => (value - mean(part)) / Math.sqrt(variance(part) + 1e-5));
  }), weights),
  devices, widths: [6, 63], changed: { groups: groupNorm({ groups: 7 }), epsilon: groupNorm({ groups: 3, epsilon: 1 }), bias: groupNorm({ groups: 3, bias: false }) },
});
testNorm('dynamicTanh', dynamicTanh(), { reference: (row, weights) => affine(row.map((value) => Math.tanh(weights.get('slope')![0]! * value)), weights), devices, changed: { bias: dynamicTanh({ bias: false }) } });

describe('first values', () => {
  const first = async (variant: ReturnType<typeof layerNorm>): Promise<Record<string, number[]>> => {
    const part = variant.build({ width: 4, bias: true });
    part.initialize(0);
    return Object.fromEntries(await Promise.all([...part.namedParameters()].map(async ([name, parameter]) => [name, [...await parameter.values()]])));
  };
  test.each([
    ['layerNorm', layerNorm(), { gain: [1, 1, 1, 1], bias: [0, 0, 0, 0] }], ['rmsNorm', rmsNorm(), { gain: [1, 1, 1, 1] }], ['rmsNorm onePlus', rmsNorm({ gain: 'onePlus' }), { gain: [0, 0, 0, 0] }],
    ['scaleNorm: √C', scaleNorm(), { gain: [2] }], ['groupNorm', groupNorm({ groups: 2 }), { gain: [1, 1, 1, 1], bias: [0, 0, 0, 0] }],
    ['dynamicTanh', dynamicTanh(), { slope: [0.5], gain: [1, 1, 1, 1], bias: [0, 0, 0, 0] }], ['dynamicTanh from 2', dynamicTanh({ initial: 2, bias: false }), { slope: [2], gain: [1, 1, 1, 1] }],
  ])('%s', async (_, variant, expected) => { expect(await first(variant)).toEqual(expected); });
});

test.each(['afterGain', 'beforeGain'] as const)('f16 with the cast %s', async (cast) => {
  // Devices may compute f16 in f32 and round what they store: then both casts come to the same, and here they may.
  const device = await wasm(), width = 32, gain = Float32Array.from({ length: width }, (_, i) => 1 + i / 97), norm = rmsNorm({ cast }).build({ width, bias: false });
  norm.load(new Map([['gain', gain]]));
  const x = tensor(Float32Array.from({ length: width }, (_, i) => Math.sin(7 * i) * 3), { shape: [1, width] }).cast('f16'), result = norm.forward(x);
  expect(result.dtype).toBe('f16');
  const [got, rounded] = [await result.data(device), [...await x.data(device)]];
  rounded.forEach((value, i) => expect(Math.abs(got[i]! - (value / Math.sqrt(mean(rounded.map((one) => one * one)) + 1e-6)) * gain[i]!)).toBeLessThan(Math.abs(got[i]!) * 2 ** -9 + 1e-6));
  await norm.toHost();
  await device.close();
});

test('what norms refuse', () => {
  expect(() => layerNorm({ epsilon: 0 })).toThrow('layerNorm: epsilon must be greater than 0, got 0');
  expect(() => rmsNorm({ epsilon: NaN })).toThrow('rmsNorm: epsilon must be greater than 0, got NaN');
  expect(() => rmsNorm({ gain: 'two' as 'plain' })).toThrow('rmsNorm: gain must be plain or onePlus, got "two"');
  expect(() => rmsNorm({ cast: 'never' as 'afterGain' })).toThrow('rmsNorm: cast must be afterGain or beforeGain, got "never"');
  expect(() => scaleNorm({ epsilon: -1 })).toThrow('scaleNorm: epsilon must be greater than 0, got -1');
  expect(() => groupNorm({ groups: 0 })).toThrow('groupNorm: groups must be a whole number from 1, got 0');
  expect(() => groupNorm({ groups: 3 }).build({ width: 8, bias: false })).toThrow('groupNorm: groups must divide the width (8), got 3');
  expect(() => dynamicTanh({ initial: Infinity })).toThrow('dynamicTanh: initial must be a number, got Infinity');
});

import { describe, expect, test } from 'vitest';
import { finiteDifferences, worstDerivative } from '@ashlar/conformance';
import { Linear, normalInitializer, type NormVariant, type ResidualVariant } from '@ashlar/nn';
import { tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { layerNorm, postNorm, preNorm, rmsNorm } from './index.js';

function values(count: number, seed: number, offset = 0): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 48271) + 11) >>> 0;
    return state / 2 ** 31 - 1 + offset;
  });
}
const rows = (data: ArrayLike<number>, width: number): number[][] => Array.from({ length: data.length / width }, (_, r) => Array.from({ length: width }, (_, c) => data[r * width + c]!));

const layerNormLoops = (epsilon: number) => (x: number[], gain: ArrayLike<number>, bias?: ArrayLike<number>): number[] => {
  const mean = x.reduce((a, b) => a + b, 0) / x.length, variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
  return x.map((value, i) => (value - mean) / Math.sqrt(variance + epsilon) * gain[i]! + (bias?.[i] ?? 0));
};
const rmsNormLoops = (epsilon: number) => (x: number[], gain: ArrayLike<number>): number[] => {
  const scale = 1 / Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length + epsilon);
  return x.map((value, i) => value * scale * gain[i]!);
};

describe.each<[string, NormVariant, boolean, (x: number[], gain: ArrayLike<number>, bias?: ArrayLike<number>) => number[]]>([
  ['layerNorm, the bias of the model', layerNorm(), true, layerNormLoops(1e-5)],
  ['layerNorm without bias', layerNorm({ bias: false, epsilon: 0.1 }), true, layerNormLoops(0.1)],
  ['rmsNorm', rmsNorm(), true, rmsNormLoops(1e-6)],
  ['rmsNorm with a large epsilon', rmsNorm({ epsilon: 0.5 }), false, rmsNormLoops(0.5)],
])('%s', (name, variant, bias, loops) => {
  test.each([1, 7, 64])('width %i', async (width) => {
    const norm = variant.build({ width, bias });
    norm.initialize(0);
    expect(await norm.parameters()[0]!.values()).toEqual(new Float32Array(width).fill(1));
    norm.parameters().forEach((parameter, i) => parameter.write(values(width, 3 + i, 0.5)));
    const x = values(6 * width, 1, 0.3), [gain, shift] = await Promise.all(norm.parameters().map((parameter) => parameter.values()));
    expect(norm.parameters().length).toBe(name.startsWith('layerNorm, ') ? 2 : 1);
    const expected = rows(x, width).flatMap((row) => loops(row, gain!, shift));
    for (const device of [reference(), await wasm()]) {
      const got = await norm.forward(tensor(x, { shape: [2, 3, width] })).data(device);
      expected.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 4));
      await norm.toHost();
      await device.close();
    }
    const derivatives = await finiteDifferences({ f: (input) => norm.forward(input!).tanh().sum(), inputs: [tensor(x, { shape: [2, 3, width] })], variables: norm.parameters(), device: reference() });
    expect(worstDerivative(derivatives).error).toBeLessThan(2e-5);
  });
});

test('epsilon must be positive', () => {
  expect(() => layerNorm({ epsilon: 0 })).toThrow('layerNorm: epsilon must be greater than 0, got 0');
  expect(() => rmsNorm({ epsilon: NaN })).toThrow('rmsNorm: epsilon must be greater than 0, got NaN');
});

describe.each<[string, ResidualVariant, (x: number[], f: (x: number[]) => number[], norm: (x: number[]) => number[]) => number[]]>([
  ['preNorm', preNorm(), (x, f, norm) => f(norm(x)).map((value, i) => value + x[i]!)],
  ['postNorm', postNorm(), (x, f, norm) => norm(f(x).map((value, i) => value + x[i]!))],
])('%s', (name, variant, loops) => {
  test('in plain loops', async () => {
    const width = 5, residual = variant.build({ width, stack: { kind: 'decoderOnly', depth: 1 }, sublayers: 1, norm: () => rmsNorm().build({ width, bias: false }) });
    const linear = new Linear({ inputs: width, outputs: width, bias: false, initializer: normalInitializer(1) });
    residual.initialize(0);
    linear.initialize(1);
    residual.parameters()[0]!.write(values(width, 8, 0.5));
    const x = values(3 * width, 2), gain = await residual.parameters()[0]!.values(), weight = rows(await linear.weight.values(), width);
    const f = (row: number[]): number[] => weight.map((out) => out.reduce((sum, value, i) => sum + value * row[i]!, 0));
    const expected = rows(x, width).flatMap((row) => loops(row, f, (inner) => rmsNormLoops(1e-6)(inner, gain)));
    const got = await residual.forward(tensor(x, { shape: [1, 3, width] }), [(inner) => linear.forward(inner)]).data(reference());
    expected.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 5));
    expect([...residual.namedParameters().keys()]).toEqual(['norms.0.gain']);
    expect(variant.finalNorm).toBe(name === 'preNorm');
  });
});

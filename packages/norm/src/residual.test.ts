import { describe, expect, test } from 'vitest';
import { testResidual, type ResidualReferenceInput } from '@ashlar/conformance';
import type { Initializer, Residual, Stack } from '@ashlar/nn';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { deepNorm, deepNormConstants, layerScale, parallelNorm, postNorm, preNorm, reZero, rmsNorm, sandwichNorm, subNorm, subNormGain } from './index.js';

const devices = { reference, wasm };
const add = (a: readonly number[], b: readonly number[], scale = 1): number[] => a.map((value, i) => value + scale * b[i]!);
/** Sublayers one after the other. */
const inTurn = (step: (input: ResidualReferenceInput, x: readonly number[], i: number) => readonly number[]) => (input: ResidualReferenceInput): readonly number[] =>
  input.sublayers.reduce((x, _, i) => step(input, x, i), input.x);

/** α of the paper's table, written out for each kind of stack. */
function alphaLoops(stack: Stack): number {
  if (stack.kind === 'encoder') return 0.81 * Math.sqrt(Math.sqrt(Math.sqrt(Math.sqrt(stack.depth * stack.depth * stack.depth * stack.depth * stack.decoderDepth))));
  return Math.sqrt(Math.sqrt((stack.kind === 'decoder' ? 3 : 2) * stack.depth));
}

testResidual('preNorm', preNorm(), { devices, reference: inTurn(({ sublayers, norm }, x, i) => add(x, sublayers[i]!(norm(`norms.${i}`)(x)))) });
testResidual('postNorm', postNorm(), { devices, reference: inTurn(({ sublayers, norm }, x, i) => norm(`norms.${i}`)(add(x, sublayers[i]!(x)))) });
testResidual('sandwichNorm', sandwichNorm(), { devices, reference: inTurn(({ sublayers, norm }, x, i) => add(x, norm(`outerNorms.${i}`)(sublayers[i]!(norm(`norms.${i}`)(x))))) });
testResidual('deepNorm', deepNorm(), { devices, reference: inTurn(({ sublayers, norm, stack }, x, i) => norm(`norms.${i}`)(add(sublayers[i]!(x), x, alphaLoops(stack)))) });
testResidual('subNorm', subNorm(), { devices, reference: inTurn(({ sublayers, norm }, x, i) => add(x, sublayers[i]!(norm(`norms.${i}`)(x)))) });
testResidual('parallelNorm', parallelNorm(), { devices, reference: ({ x, sublayers, norm }) => sublayers.reduce<readonly number[]>((sum, f) => add(sum, f(norm('norms.0')(x))), x), changed: { norms: parallelNorm({ norms: 'separate' }) } });
testResidual('parallelNorm, separate', parallelNorm({ norms: 'separate' }), { devices, reference: ({ x, sublayers, norm }) => sublayers.reduce<readonly number[]>((sum, f, i) => add(sum, f(norm(`norms.${i}`)(x))), x) });
testResidual('reZero', reZero(), { devices, reference: inTurn(({ sublayers, weights }, x, i) => add(x, sublayers[i]!(x), weights.get(`gains.${i}`)![0]!)) });
testResidual('layerScale', layerScale(), { devices, reference: inTurn(({ sublayers, norm, weights }, x, i) => add(x, sublayers[i]!(norm(`norms.${i}`)(x)).map((value, c) => value * weights.get(`gains.${i}`)![c]!))) });

const vectors = (list: [Stack, number, number][]): [string, Stack, number, number][] => list.map(([stack, a, b]) => [`${stack.kind} ${stack.depth}`, stack, a, b]);
test.each(vectors([
  ...([[6, 1.861, 0.38], [12, 2.213, 0.3195], [24, 2.632, 0.2686], [100, 3.761, 0.188], [200, 4.472, 0.158], [1000, 6.687, 0.1057]] as const)
    .flatMap(([depth, alpha, beta]): [Stack, number, number][] => [[{ kind: 'decoderOnly', depth }, alpha, beta], [{ kind: 'encoderOnly', depth }, alpha, beta]]),
  [{ kind: 'encoder', depth: 6, decoderDepth: 6 }, 1.418, 0.497], [{ kind: 'decoder', depth: 6, encoderDepth: 6 }, 2.06, 0.343],
]))('α and β of DeepNorm: %s', (_, stack, alpha, beta) => {
  expect(Math.abs(deepNormConstants(stack).alpha - alpha)).toBeLessThan(6e-4);
  expect(Math.abs(deepNormConstants(stack).beta - beta)).toBeLessThan(6e-4);
});

test('gains of Sub-LN', () => {
  expect(subNormGain({ kind: 'decoderOnly', depth: 12 })).toBeCloseTo(Math.sqrt(Math.log(24)), 12);
  expect(subNormGain({ kind: 'encoderOnly', depth: 24 })).toBeCloseTo(Math.sqrt(Math.log(48)), 12);
  expect(subNormGain({ kind: 'encoder', depth: 6, decoderDepth: 4 })).toBeCloseTo(Math.sqrt(Math.log(12) * Math.log(12) / 3), 12);
  expect(subNormGain({ kind: 'decoder', depth: 4, encoderDepth: 6 })).toBeCloseTo(Math.sqrt(Math.log(12)), 12);
});

describe('the beginning that belongs to a scheme', () => {
  const std = (initializer: Initializer): number => {
    let state = 1;
    const data = initializer([64, 96], () => { state = (Math.imul(state, 48271) + 11) >>> 0; return state / 2 ** 32; });
    return Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / data.length);
  };
  const xavier = Math.sqrt(2 / (64 + 96)), stack: Stack = { kind: 'decoderOnly', depth: 24 };
  test.each([['deepNorm', deepNorm(), 0.2686], ['subNorm', subNorm(), Math.sqrt(Math.log(48))]])('%s', (_, variant, gain) => {
    const { attention, feedForward } = variant.initializers!(stack);
    expect(std(attention.weight) / xavier).toBeCloseTo(1, 1);
    for (const initializer of [attention.value, attention.residual, feedForward.weight, feedForward.residual]) expect(std(initializer) / (xavier * gain)).toBeCloseTo(1, 1);
  });
  test('the others leave it to the model', () => {
    for (const variant of [preNorm(), postNorm(), sandwichNorm(), parallelNorm(), reZero(), layerScale()]) expect(variant.initializers).toBeUndefined();
  });
});

test('first gains', async () => {
  const built = (variant: { build: ReturnType<typeof layerScale>['build'] }, depth: number): Residual => variant.build({ width: 3, stack: { kind: 'decoderOnly', depth }, sublayers: 2, norm: () => rmsNorm().build({ width: 3, bias: false }) });
  const gain = async (residual: Residual): Promise<number[]> => { residual.initialize(0); return [...await residual.namedParameters().get('gains.0')!.values()]; };
  expect(await gain(built(reZero(), 9))).toEqual([0]);
  for (const [depth, initial] of [[18, 0.1], [19, 1e-5], [24, 1e-5], [25, 1e-6]] as const) expect(await gain(built(layerScale(), depth))).toEqual([...new Float32Array(3).fill(initial)]);
  expect(await gain(built(layerScale({ initial: 2 }), 30))).toEqual([2, 2, 2]);
});

test('what they declare and refuse', () => {
  expect(Object.fromEntries([preNorm(), postNorm(), sandwichNorm(), deepNorm(), subNorm(), parallelNorm(), reZero(), layerScale()].map(({ name, finalNorm, innerNorm }) => [name, [finalNorm, innerNorm]]))).toEqual({
    preNorm: [true, false], postNorm: [false, false], sandwichNorm: [true, false], deepNorm: [false, false], subNorm: [true, true], parallelNorm: [true, false], reZero: [false, false], layerScale: [true, false],
  });
  expect(() => parallelNorm({ norms: 'one' as 'shared' })).toThrow('parallelNorm: norms must be shared or separate, got "one"');
  expect(() => layerScale({ initial: NaN })).toThrow('layerScale: initial must be a number, got NaN');
});

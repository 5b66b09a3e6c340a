import { describe, expect, test } from 'vitest';
import { finiteDifferences, worstDerivative } from '@ashlar/conformance';
import { tensor, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import {
  Embedding, Linear, Module, Parameter, activationOf, bilinearGlu, crossEntropy, gelu, geluTanh, geglu, gegluTanh, glu, mlp, reglu, normalInitializer, relu, reluSquared, silu, tanh, swiglu,
  zerosInitializer, type ActivationName, type FeedForwardVariant,
} from './index.js';

/** Reproducible values in [−1, 1). */
function values(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 48271) + 11) >>> 0;
    return state / 2 ** 31 - 1;
  });
}
const random = (shape: readonly number[], seed: number): Tensor => tensor(values(shape.reduce((a, b) => a * b, 1), seed), { shape });
function fill(module: Module, seed = 5): void {
  module.initialize(0);
  module.parameters().forEach((parameter, i) => parameter.write(values(parameter.size, seed + 17 * i)));
}
async function expectClose(got: Tensor, expected: readonly number[]): Promise<void> {
  const data = await got.data(reference());
  expect(data.length).toBe(expected.length);
  expected.forEach((value, i) => expect(data[i], `element ${i}`).toBeCloseTo(value, 5));
}

const linearLoops = (x: readonly number[], weight: ArrayLike<number>, bias?: ArrayLike<number>): number[] => {
  const out = weight.length / x.length;
  return Array.from({ length: out }, (_, o) => x.reduce((sum, value, i) => sum + value * weight[o * x.length + i]!, bias?.[o] ?? 0));
};
const rowsOf = (data: Float32Array, width: number): number[][] => Array.from({ length: data.length / width }, (_, r) => [...data.subarray(r * width, (r + 1) * width)]);

/** erf by Simpson's rule on its integral. */
function erfLoops(x: number): number {
  const n = 2000, h = x / n, f = (t: number) => Math.exp(-t * t);
  let sum = f(0) + f(x);
  for (let i = 1; i < n; i++) sum += (i % 2 === 1 ? 4 : 2) * f(i * h);
  return 2 / Math.sqrt(Math.PI) * sum * h / 3;
}
const scalarActivations: Record<ActivationName, (x: number) => number> = {
  gelu: (x) => x * 0.5 * (1 + erfLoops(x / Math.sqrt(2))),
  geluTanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  relu: (x) => Math.max(x, 0),
  reluSquared: (x) => Math.max(x, 0) ** 2,
  silu: (x) => x / (1 + Math.exp(-x)),
  tanh: (x) => 1 - 2 / (1 + Math.exp(2 * x)),
};

describe('activations', () => {
  const points = [-6, -2.5, -1, -0.1, 0, 0.3, 1, 2.2, 7];
  test.each([['gelu', gelu], ['geluTanh', geluTanh], ['relu', relu], ['reluSquared', reluSquared], ['silu', silu], ['tanh', tanh]] as const)('%s', async (name, f) => {
    await expectClose(f(tensor(points)), points.map(scalarActivations[name]));
    const smooth = tensor(points.filter((point) => point !== 0));
    expect(worstDerivative(await finiteDifferences({ f: (x) => f(x!).square().sum(), inputs: [smooth], device: reference() })).error).toBeLessThan(1e-5);
    expect(activationOf('test', name)).toBe(f);
  });
  test('an unknown one is refused', () => {
    expect(() => mlp({ activation: 'swish' as ActivationName })).toThrow('mlp: activation must be gelu, geluTanh, relu, reluSquared, silu, tanh, got "swish"');
  });
});

describe('Linear', () => {
  test.each([true, false])('x Wᵀ + b, bias %s', async (bias) => {
    const linear = new Linear({ inputs: 5, outputs: 3, bias, initializer: normalInitializer(1) });
    fill(linear);
    const x = values(2 * 4 * 5, 1), [weight, shift] = await Promise.all(linear.parameters().map((parameter) => parameter.values()));
    await expectClose(linear.forward(tensor(x, { shape: [2, 4, 5] })), rowsOf(x, 5).flatMap((row) => linearLoops(row, weight!, shift)));
    expect([...linear.namedParameters().keys()]).toEqual(bias ? ['weight', 'bias'] : ['weight']);
    expect(linear.flops).toBe(30);
    const derivatives = await finiteDifferences({ f: (input) => linear.forward(input!).tanh().sum(), inputs: [random([2, 4, 5], 1)], variables: linear.parameters(), device: reference() });
    expect(worstDerivative(derivatives).error).toBeLessThan(1e-5);
  });
  test('sizes are checked', () => {
    expect(() => new Linear({ inputs: 0, outputs: 3, bias: false, initializer: zerosInitializer })).toThrow('Linear: inputs must be a whole number from 1, got 0');
  });
});

describe('Embedding', () => {
  const embedding = new Embedding({ rows: 7, width: 3, initializer: normalInitializer(1) });
  fill(embedding);
  const tokens = tensor(Int32Array.of(4, 0, 4, 6, 2, 4), { shape: [2, 3] });
  test('rows by number, and as a head', async () => {
    const table = rowsOf(await embedding.weight.values() as Float32Array, 3);
    await expectClose(embedding.forward(tokens), [4, 0, 4, 6, 2, 4].flatMap((token) => table[token]!));
    const x = values(6, 9);
    await expectClose(embedding.attend(tensor(x, { shape: [2, 3] })), rowsOf(x, 3).flatMap((row) => linearLoops(row, table.flat())));
  });
  test('gradients of a row that is read three times and of rows that are never read', async () => {
    const f = () => embedding.forward(tokens).mul(random([2, 3, 3], 2)).sum().add(embedding.attend(random([2, 3], 3)).tanh().sum());
    expect(worstDerivative(await finiteDifferences({ f, inputs: [], variables: [embedding.weight], device: reference(), directions: 5 })).error).toBeLessThan(1e-5);
  });
});

describe('feed-forward', () => {
  const site = { width: 6, bias: true, dropout: 0, initializers: { weight: normalInitializer(1), value: normalInitializer(1), residual: normalInitializer(1) } };
  const parameters = async (module: Module) => new Map(await Promise.all([...module.namedParameters()].map(async ([name, one]) => [name, await one.values()] as const)));

  test.each(['gelu', 'geluTanh', 'relu', 'reluSquared', 'silu'] as const)('mlp with %s', async (activation) => {
    const part = mlp({ activation, hidden: 10 }).build(site);
    fill(part);
    const x = values(3 * 6, 4), p = await parameters(part);
    await expectClose(part.forward(tensor(x, { shape: [1, 3, 6] })), rowsOf(x, 6).flatMap((row) =>
      linearLoops(linearLoops(row, p.get('up.weight')!, p.get('up.bias')!).map(scalarActivations[activation]), p.get('down.weight')!, p.get('down.bias')!)));
    expect(part.flopsPerToken()).toBe(2 * 2 * 6 * 10);
  });
  test.each([
    ['swiglu', swiglu, scalarActivations.silu], ['geglu', geglu, scalarActivations.gelu], ['gegluTanh', gegluTanh, scalarActivations.geluTanh], ['reglu', reglu, scalarActivations.relu],
    ['glu', glu, (x: number) => 1 / (1 + Math.exp(-x))], ['bilinearGlu', bilinearGlu, (x: number) => x],
  ] as const)('%s', async (_, make, activation) => {
    const part = make({ hidden: 10 }).build(site);
    fill(part);
    const x = values(3 * 6, 4), p = await parameters(part);
    await expectClose(part.forward(tensor(x, { shape: [1, 3, 6] })), rowsOf(x, 6).flatMap((row) => {
      const gate = linearLoops(row, p.get('gate.weight')!, p.get('gate.bias')!).map(activation), up = linearLoops(row, p.get('up.weight')!, p.get('up.bias')!);
      return linearLoops(gate.map((value, i) => value * up[i]!), p.get('down.weight')!, p.get('down.bias')!);
    }));
    expect(part.flopsPerToken()).toBe(3 * 2 * 6 * 10);
  });
  test.each<[string, FeedForwardVariant]>([['mlp', mlp()], ['mlp silu', mlp({ activation: 'silu', bias: false })], ['swiglu', swiglu()], ['geglu', geglu({ hidden: 9 })], ['gegluTanh', gegluTanh()], ['glu', glu()], ['bilinearGlu', bilinearGlu()], ['reglu', reglu()], ['mlp reluSquared', mlp({ activation: 'reluSquared' })]])('gradients of %s', async (_, variant) => {
    const part = variant.build(site);
    fill(part);
    const derivatives = await finiteDifferences({ f: (x) => part.forward(x!).square().sum(), inputs: [random([1, 3, 6], 4)], variables: part.parameters(), device: reference() });
    expect(worstDerivative(derivatives).error).toBeLessThan(1e-5);
  });
  test('defaults', () => {
    expect(mlp().build(site).namedParameters().get('up.weight')!.shape).toEqual([24, 6]);
    expect(swiglu().build(site).namedParameters().get('gate.weight')!.shape).toEqual([16, 6]);
    expect(swiglu().build({ ...site, width: 7 }).namedParameters().get('gate.weight')!.shape).toEqual([24, 7]);
    expect([...mlp({ bias: false }).build(site).namedParameters().keys()]).toEqual(['up.weight', 'down.weight']);
    expect(() => swiglu({ hidden: 1.5 })).toThrow('swiglu: hidden must be a whole number from 1, got 1.5');
  });
});

describe('crossEntropy', () => {
  const logits = values(6 * 5, 8).map((value) => 9 * value), targets = Int32Array.of(3, -100, 0, 4, -1, 2), weights = Float32Array.of(0.5, 1, 0, 2, 3, 1);
  const lossLoops = (weightOf: (i: number) => number): number => {
    let total = 0, share = 0;
    targets.forEach((target, i) => {
      if (target < 0) return;
      const row = [...logits.subarray(5 * i, 5 * i + 5)].map(Number);
      total += weightOf(i) * (Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0)) - row[target]!);
      share += weightOf(i);
    });
    return total / share;
  };
  const shaped = [tensor(logits, { shape: [2, 3, 5] }), tensor(targets, { shape: [2, 3] })] as const;
  test('the mean over tokens that count, plain and weighted', async () => {
    for (const device of [reference(), await wasm()]) {
      expect(await crossEntropy(...shaped).item(device)).toBeCloseTo(lossLoops(() => 1), 5);
      expect(await crossEntropy(...shaped, tensor(weights, { shape: [2, 3] })).item(device)).toBeCloseTo(lossLoops((i) => weights[i]!), 5);
      await device.close();
    }
  });
  test('no token that counts gives 0, huge logits no overflow', async () => {
    const none = tensor(new Int32Array(6).fill(-1), { shape: [2, 3] });
    expect(await crossEntropy(shaped[0], none).item(reference())).toBe(0);
    expect(await crossEntropy(tensor([[1e30, -1e30]]), tensor(Int32Array.of(0))).item(reference())).toBe(0);
  });
  test('gradients', async () => {
    const f = (x: Tensor | undefined) => crossEntropy(x!, shaped[1], tensor(weights, { shape: [2, 3] }));
    expect(worstDerivative(await finiteDifferences({ f, inputs: [tensor(logits.map((value) => value / 9), { shape: [2, 3, 5] })], device: reference(), directions: 4 })).error).toBeLessThan(1e-5);
  });
  test('shapes are checked', () => {
    expect(() => crossEntropy(shaped[0], tensor(targets))).toThrow("targets must have the shape of the logits' rows [2, 3], got [6]");
    expect(() => crossEntropy(...shaped, tensor(weights))).toThrow('weights must have the shape');
  });
});

describe('Module', () => {
  class Tied extends Module {
    readonly first = new Embedding({ rows: 3, width: 2, initializer: normalInitializer(1) });
    readonly list = [new Linear({ inputs: 2, outputs: 2, bias: true, initializer: normalInitializer(1) }), [new Parameter([2], { initializer: zerosInitializer, trainable: false })]];
    readonly again = this.first.weight;
    readonly note = 'no parameter';
    readonly #hidden = new Parameter([9], { initializer: zerosInitializer });
    hiddenSize(): number { return this.#hidden.size; }
  }
  test('parameters are found in fields and arrays, tied ones once, under dotted names', () => {
    const module = new Tied();
    expect([...module.namedParameters().keys()]).toEqual(['first.weight', 'list.0.weight', 'list.0.bias', 'list.1.0']);
    expect(module.parameterCount).toBe(6 + 4 + 2 + 2);
    module.initialize(1);
    expect(module.parameters().map(({ name }) => name)).toEqual([...module.namedParameters().keys()]);
  });
  test('first values depend on the seed and the name alone', async () => {
    const one = new Tied(), other = new Tied(), later = new Tied();
    for (const [module, seed] of [[one, 7], [other, 7], [later, 8]] as const) module.initialize(seed);
    const of = (module: Tied, name: string) => module.namedParameters().get(name)!.values();
    expect(await of(one, 'list.0.weight')).toEqual(await of(other, 'list.0.weight'));
    expect(await of(one, 'list.0.weight')).not.toEqual(await of(later, 'list.0.weight'));
    expect((await of(one, 'list.0.weight')).slice(0, 4)).not.toEqual((await of(one, 'first.weight')).slice(0, 4));
  });
  test('load is strict', async () => {
    const module = new Tied(), all = new Map(module.parameters().map((parameter, i) => [[...module.namedParameters().keys()][i]!, values(parameter.size, i)]));
    module.load(all);
    expect(await module.first.weight.values()).toEqual(all.get('first.weight'));
    expect(() => module.load(new Map([...all].slice(1)))).toThrow('load: first.weight is missing');
    expect(() => module.load(new Map([...all, ['x', new Float32Array(1)]]))).toThrow('load: the model has no parameter x');
    expect(() => module.load(new Map([...all, ['list.0.bias', new Float32Array(3)]]))).toThrow('load: list.0.bias [2] must have 2 elements, got 3');
  });
  test('parameters come back from a device', async () => {
    const module = new Tied(), device = reference();
    module.initialize(1);
    const before = await module.first.weight.values();
    module.first.weight.on(device);
    await module.toHost();
    expect(module.first.weight.device).toBeUndefined();
    expect(await module.first.weight.values()).toEqual(before);
  });
});

import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Parameter, zerosInitializer } from '@ashlar/nn';
import { jit, tensor, type Device, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { webgpu } from '@ashlar/webgpu-node';
import { adamW, clipByGlobalNorm, constant, cosine, cosineRestarts, globalNorm, inverseSquareRoot, linear, polynomial, type Schedule } from './index.js';

function values(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 48271) + 11) >>> 0;
    return state / 2 ** 31 - 1;
  });
}
const devices: [string, () => Device | Promise<Device>][] = [['reference', reference], ['wasm', wasm], ['webgpu', () => webgpu({ adapter: 'swiftshader' })]];

describe.each(devices)('adamW on %s', (_, make) => {
  test.each([
    { name: 'defaults', options: { learningRate: 0.01 }, rate: () => 0.01, betas: [0.9, 0.999], epsilon: 1e-8, decay: [0.01, 0] },
    { name: 'everything given', options: { learningRate: cosine({ peak: 0.1, warmup: 2, steps: 6 }), betas: [0.8, 0.9] as const, epsilon: 1e-3, weightDecay: 0.2, decays: (parameter: Parameter) => parameter.shape.length === 1 }, rate: cosine({ peak: 0.1, warmup: 2, steps: 6 }), betas: [0.8, 0.9], epsilon: 1e-3, decay: [0, 0.2] },
  ])('$name: the values of plain loops over 5 updates', async ({ options, rate, betas, epsilon, decay }) => {
    const device = await make();
    const shapes = [[3, 5], [7]];
    const parameters = new Map(shapes.map((shape, i) => [`p${i}`, new Parameter(shape, { initializer: zerosInitializer })]));
    [...parameters.values()].forEach((parameter, i) => parameter.write(values(parameter.size, i + 1)));
    const attached = adamW(options).attach(parameters);
    expect([...attached.state.keys()]).toEqual(['firstMoment.p0', 'secondMoment.p0', 'firstMoment.p1', 'secondMoment.p1']);
    const update = jit((gradients: Tensor[], scalars: Tensor) => { attached.update(gradients, scalars); return {}; }, { device });

    const p = shapes.map((shape, i) => Float64Array.from(values(shape.reduce((a, b) => a * b), i + 1)));
    const m = p.map((one) => new Float64Array(one.length)), v = p.map((one) => new Float64Array(one.length));
    for (let step = 0; step < 5; step++) {
      const gradients = shapes.map((shape, i) => values(shape.reduce((a, b) => a * b), 50 + 10 * step + i));
      expect(attached.scalars(step).length).toBe(attached.scalarCount);
      update(gradients.map((gradient, i) => tensor(gradient, { shape: shapes[i]! })), tensor(attached.scalars(step)));
      p.forEach((one, i) => one.forEach((_, j) => {
        const g = gradients[i]![j]!, t = step + 1;
        one[j]! -= rate(step) * decay[i]! * one[j]!;
        m[i]![j] = betas[0]! * m[i]![j]! + (1 - betas[0]!) * g;
        v[i]![j] = betas[1]! * v[i]![j]! + (1 - betas[1]!) * g * g;
        one[j]! -= rate(step) * (m[i]![j]! / (1 - betas[0]! ** t)) / (Math.sqrt(v[i]![j]! / (1 - betas[1]! ** t)) + epsilon);
      }));
    }
    for (const [i, parameter] of [...parameters.values()].entries()) {
      const got = await parameter.values(), first = await attached.state.get(`firstMoment.p${i}`)!.values(), second = await attached.state.get(`secondMoment.p${i}`)!.values();
      p[i]!.forEach((value, j) => {
        expect(got[j]).toBeCloseTo(value, 5);
        expect(first[j]).toBeCloseTo(m[i]![j]!, 6);
        expect(second[j]).toBeCloseTo(v[i]![j]!, 6);
      });
    }
    expect(update.compilations.length).toBe(1);
    await device.close();
  });
});

test('all alike parameters are updated by one kernel', async () => {
  await using device = await wasm();
  const parameters = new Map(Array.from({ length: 20 }, (_, i) => [`p${i}`, new Parameter(i % 2 === 0 ? [3 + i, 4] : [5 + i], { initializer: zerosInitializer })]));
  const attached = adamW({ learningRate: 0.1 }).attach(parameters);
  const update = jit((gradients: Tensor[], scalars: Tensor) => { attached.update(gradients, scalars); return {}; }, { device });
  update([...parameters.values()].map(({ shape, size }) => tensor(values(size, 1), { shape })), tensor(attached.scalars(0)));
  // Those that decay and those that do not.
  expect(update.plan!.steps.map(({ kernel }) => [kernel.kind, kernel.kind === 'multi' ? kernel.loops.length : 1])).toEqual([['multi', 10], ['multi', 10]]);
  expect(update.plan!.workBytes).toBe(0);
});

test('what adamW refuses', () => {
  expect(() => adamW({ learningRate: -1 })).toThrow('adamW: learningRate must be a number from 0 or a schedule, got -1');
  expect(() => adamW({ learningRate: 1, betas: [0.9, 1] })).toThrow('adamW: betas must be from 0 and less than 1, got 0.9 and 1');
  expect(() => adamW({ learningRate: 1, epsilon: 0 })).toThrow('adamW: epsilon must be greater than 0, got 0');
  expect(() => adamW({ learningRate: 1, weightDecay: -0.1 })).toThrow('adamW: weightDecay must be a number from 0, got -0.1');
  const attached = adamW({ learningRate: 1 }).attach(new Map([['p', new Parameter([2], { initializer: zerosInitializer })]]));
  expect(() => attached.update([], tensor([1, 1, 1]))).toThrow('adamW: there are 1 parameters, got 0 gradients');
});

describe.each(devices)('clipByGlobalNorm on %s', (_, make) => {
  test.each([0.5, 2, 1e6])('max %f', async (max) => {
    const device = await make();
    const gradients = [values(15, 1), values(1, 2), values(600, 3)], shapes = [[3, 5], [1], [2, 300]];
    const clip = jit((given: Tensor[]) => ({ ...clipByGlobalNorm(given, max), plain: globalNorm(given) }), { device });
    const { gradients: clipped, norm, plain } = clip(gradients.map((data, i) => tensor(data, { shape: shapes[i]! })));
    const expected = Math.sqrt(gradients.reduce((sum, data) => sum + data.reduce((inner, value) => inner + value ** 2, 0), 0));
    expect(expected).toBeGreaterThan(10);
    expect(Math.abs(await norm.item() / expected - 1)).toBeLessThan(1e-6);
    expect(await plain.item()).toBe(await norm.item());
    const factor = Math.min(1, max / (expected + 1e-6));
    for (const [i, one] of clipped.entries()) (await one.data()).forEach((value, j) => expect(Math.abs(value - factor * gradients[i]![j]!)).toBeLessThan(1e-6));
    await device.close();
  });
  test('zeros stay zeros', async () => {
    const device = await make();
    const { gradients: [clipped], norm } = clipByGlobalNorm([tensor([0, 0])], 1);
    expect([...await clipped!.data(device), await norm.item(device)]).toEqual([0, 0, 0]);
    await device.close();
  });
});

test('what clipping refuses', () => {
  expect(() => clipByGlobalNorm([tensor([1])], 0)).toThrow('clipByGlobalNorm: max must be greater than 0, got 0');
  expect(() => globalNorm([])).toThrow('globalNorm: no gradients given');
});

const vectors = new URL('../../../../shared/data/hf-lr-schedules.json', import.meta.url);
describe('Hugging Face\'s schedules', () => {
  const schedules: Record<string, Schedule> = {
    constant: constant(10),
    constant_with_warmup: constant(10, { warmup: 4 }),
    linear_with_warmup: linear({ peak: 10, warmup: 2, steps: 10 }),
    cosine_with_warmup: cosineRestarts({ peak: 10, warmup: 2, steps: 10 }),
    cosine_hard_restarts_with_warmup: cosineRestarts({ peak: 10, warmup: 2, steps: 10, cycles: 2 }),
    polynomial_with_warmup: polynomial({ peak: 10, final: 1e-7, power: 2, warmup: 2, steps: 10 }),
    inverse_sqrt: inverseSquareRoot({ peak: 10, warmup: 2 }),
  };
  test.for(Object.keys(schedules))('%s', (name, context) => {
    if (!existsSync(vectors)) return context.skip('../shared/data/hf-lr-schedules.json is not here');
    const { lr } = (JSON.parse(readFileSync(vectors, 'utf8')) as Record<string, { lr: number[] }>)[name]!;
    expect(lr.length).toBe(10);
    lr.forEach((rate, step) => expect(Math.abs(schedules[name]!(step) - rate)).toBeLessThan(0.01));
  });
});

describe('cosine', () => {
  const schedule = cosine({ peak: 1e-3, final: 1e-4, warmup: 100, steps: 2000 });
  test('nanoGPT\'s values', () => {
    expect(schedule(0)).toBeCloseTo(1e-3 / 101, 12);
    expect(schedule(99)).toBeCloseTo(1e-3 * 100 / 101, 12);
    expect(schedule(100)).toBe(1e-3);
    expect(schedule(1050)).toBeCloseTo(5.5e-4, 12);
    expect(schedule(2000)).toBe(1e-4);
    expect(schedule(5000)).toBe(1e-4);
  });
  test('it falls all the way', () => {
    for (let step = 101; step < 2000; step++) expect(schedule(step)).toBeLessThan(schedule(step - 1));
  });
  test('defaults and what is refused', () => {
    expect(cosine({ peak: 2, steps: 10 })(0)).toBe(2);
    expect(cosine({ peak: 2, steps: 10 })(10)).toBeCloseTo(0.2, 12);
    expect(() => cosine({ peak: 1, warmup: 10, steps: 10 })).toThrow('cosine: warmup must be less than steps (10), got 10');
    expect(() => cosine({ peak: -1, steps: 10 })).toThrow('cosine: peak must be a number from 0, got -1');
    expect(() => linear({ peak: 1, steps: 0 })).toThrow('linear: steps must be a whole number from 1, got 0');
    expect(() => polynomial({ peak: 1, final: 0, power: 0, steps: 9 })).toThrow('polynomial: power must be greater than 0, got 0');
    expect(() => cosineRestarts({ peak: 1, steps: 9, cycles: 0.5 })).toThrow('cosineRestarts: cycles must be a whole number from 1, got 0.5');
  });
});

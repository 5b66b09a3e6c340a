import { describe, expect, test } from 'vitest';
import { hostRandom, jit, ones, tensor, type Device, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { webgpu } from '@ashlar/webgpu-node';
import { dropout, isTraining, nextKey, normalInitializer, onesInitializer, recomputed, training, truncatedNormalInitializer, xavierInitializer, zerosInitializer } from './index.js';

const key = (a: number, b: number): Tensor => tensor(Uint32Array.of(a, b));

describe.each<[string, () => Device | Promise<Device>]>([['reference', reference], ['wasm', wasm], ['webgpu', () => webgpu({ adapter: 'swiftshader' })]])('dropout on %s', (_, make) => {
  test('drops the share it should, scales the rest, differently at each use and key', async () => {
    const device = await make();
    const run = jit((given: Tensor) => training({ key: given }, () => ({ a: dropout(ones([40, 500]), 0.3), b: dropout(ones([40, 500]), 0.3) })), { device });
    const { a, b } = run(key(1, 2)), again = run(key(1, 2)), other = run(key(1, 3));
    const data = await a.data();
    const dropped = data.filter((value) => value === 0).length / data.length;
    expect(Math.abs(dropped - 0.3)).toBeLessThan(0.015); // 4.6 standard deviations of 20,000 draws
    expect(new Set([...data].filter((value) => value !== 0))).toEqual(new Set([Math.fround(1 / 0.7)]));
    expect(await again.a.data()).toEqual(data);
    const overlap = async (x: Tensor) => (await x.data()).filter((value, i) => value === 0 && data[i] === 0).length / data.length;
    expect(Math.abs(await overlap(b) - 0.09)).toBeLessThan(0.01);
    expect(Math.abs(await overlap(other.a) - 0.09)).toBeLessThan(0.01);
    await device.close();
  });
});

test('elements along an axis of 1 are dropped together', async () => {
  const data = [...await training({ key: key(1, 2) }, () => dropout(ones([40, 50, 3]), 0.25, [40, 50, 1])).data(reference())], tokens = Array.from({ length: 2000 }, (_, i) => data.slice(3 * i, 3 * i + 3));
  for (const token of tokens) expect(token).toEqual(Array(3).fill(token[0] === 0 ? 0 : Math.fround(4 / 3)));
  expect(Math.abs(tokens.filter(([first]) => first === 0).length / 2000 - 0.25)).toBeLessThan(0.045); // 4.6 standard deviations
});

test('outside a training scope, and at rate 0, dropout is the identity', () => {
  const x = ones([3]);
  expect(dropout(x, 0.5)).toBe(x);
  expect(training({ key: key(0, 0) }, () => dropout(x, 0))).toBe(x);
  expect([isTraining(), nextKey()]).toEqual([false, undefined]);
  expect(() => dropout(x, 1)).toThrow('the dropout rate must be from 0 and less than 1, got 1');
  expect(() => training({ key: tensor([1, 2]) }, () => 0)).toThrow('the key must be u32 of shape [2], got f32 [2]');
});

test('a scope closes also after an error', () => {
  expect(() => training({ key: key(0, 0) }, () => { throw new Error('inside'); })).toThrow('inside');
  expect(isTraining()).toBe(false);
});

test('recomputed parts are recomputed only where the scope says so', () => {
  const f = recomputed((x: Tensor) => x.mul(2));
  const kind = (x: Tensor): string => x.node.op.kind;
  expect(kind(f(ones([2])))).toBe('binary');
  expect(kind(training({ key: key(0, 0) }, () => f(ones([2]))))).toBe('binary');
  expect(kind(training({ key: key(0, 0), recompute: true }, () => f(ones([2]))))).toBe('result');
});

describe('initializers', () => {
  const moments = (data: Float32Array) => {
    const mean = data.reduce((a, b) => a + b, 0) / data.length;
    return { mean, std: Math.sqrt(data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length), largest: data.reduce((a, b) => Math.max(a, Math.abs(b)), 0) };
  };
  const draw = (initializer: ReturnType<typeof normalInitializer>, shape: readonly number[]) => moments(initializer(shape, hostRandom([3, 4])));

  test('normal', () => {
    const { mean, std, largest } = draw(normalInitializer(0.02), [100, 201]);
    expect(Math.abs(mean)).toBeLessThan(7e-4);
    expect(std / 0.02).toBeCloseTo(1, 1);
    expect(largest).toBeGreaterThan(0.06);
    expect(() => normalInitializer(-1)).toThrow('std must be a number from 0, got -1');
  });
  test('truncated normal: nothing beyond the limit, the std of what is left', () => {
    const { std, largest } = draw(truncatedNormalInitializer(0.5), [100, 201]);
    expect(largest).toBeLessThanOrEqual(1);
    expect(largest).toBeGreaterThan(0.95);
    expect(std / (0.5 * 0.8796)).toBeCloseTo(1, 1);
  });
  test('xavier: uniform within √(6 / (in + out))', () => {
    const { std, largest } = draw(xavierInitializer(2), [50, 100]), bound = 2 * Math.sqrt(6 / 150);
    expect(largest).toBeLessThanOrEqual(bound);
    expect(largest).toBeGreaterThan(0.99 * bound);
    expect(std * Math.sqrt(3) / bound).toBeCloseTo(1, 1);
    expect(() => xavierInitializer()([3], Math.random)).toThrow('takes a weight [out, in], got [3]');
  });
  test('zeros and ones', () => {
    expect([...zerosInitializer([2], Math.random), ...onesInitializer([2], Math.random)]).toEqual([0, 0, 1, 1]);
  });
});

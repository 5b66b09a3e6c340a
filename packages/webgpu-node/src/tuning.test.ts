import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { jit, tensor, type Tensor } from '@ashlar/tensor';
import { tuningFiles, webgpu } from './index.js';
import { expectClose, randoms } from './test/plans.js';

const folder = mkdtempSync(join(tmpdir(), 'ashlar-tuning-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const x = randoms(48 * 36, 1), y = randoms(36 * 40, 2);
const expected = Array.from({ length: 48 * 40 }, (_, e) => { let sum = 0; for (let p = 0; p < 36; p++) sum += x[Math.floor(e / 40) * 36 + p]! * y[p * 40 + (e % 40)]!; return Math.max(sum, 0); });
const product = (a: Tensor, b: Tensor): Tensor => a.matmul(b).maximum(0);

describe.each(['cpu', 'gpu'] as const)('tuning of products for the %s class', (adapterClass) => {
  const store = tuningFiles(join(folder, adapterClass));
  test('candidates are checked and timed once, the choice is stored, the results stay', async () => {
    await using device = await webgpu({ adapter: 'swiftshader', adapterClass, autotune: 'run', tuningStore: store });
    const f = jit(product, { device }), operands = [tensor(x, { shape: [48, 36] }), tensor(y, { shape: [36, 40] })] as const;
    expectClose(await f(...operands).data(), expected, 1e-5);
    await f.ready();
    expect(device.tuned).toHaveLength(1);
    const { candidates, chosen } = device.tuned[0]!;
    expect(candidates.length).toBeGreaterThanOrEqual(2);
    for (const { error, milliseconds } of candidates) { expect(error).toBeLessThan(1e-5); expect(milliseconds).toBeGreaterThan(0); }
    expect(chosen).toBe(candidates.reduce((best, one) => (one.milliseconds < best.milliseconds ? one : best)).name);
    const before = { ...device.counters };
    expectClose(await f(...operands).data(), expected, 1e-5);
    await f.ready();
    expect(device.counters.pipelines).toBe(before.pipelines);
    expect(readdirSync(join(folder, adapterClass))).toHaveLength(1);
  });

  test('a later device takes the stored choice without measuring', async () => {
    await using device = await webgpu({ adapter: 'swiftshader', adapterClass, autotune: 'cached', tuningStore: store });
    expect(device.dotChoices.size).toBe(1);
    const f = jit(product, { device });
    expectClose(await f(tensor(x, { shape: [48, 36] }), tensor(y, { shape: [36, 40] })).data(), expected, 1e-5);
    await f.ready();
    expect(device.tuned).toHaveLength(0);
  });
});

test('a damaged file and another adapter\'s choices count as none', async () => {
  const place = join(folder, 'damaged'), store = tuningFiles(place);
  await store.save('this adapter', { 'f32 f32': 'register-8x2' });
  expect(await store.load('this adapter')).toEqual({ 'f32 f32': 'register-8x2' });
  expect(await store.load('another adapter')).toBeUndefined();
  writeFileSync(join(place, readdirSync(place)[0]!), '{ "key": "this adap');
  expect(await store.load('this adapter')).toBeUndefined();
});

test('an unknown mode is refused', async () => {
  await expect(webgpu({ adapter: 'swiftshader', autotune: 'always' as 'run' })).rejects.toThrow('autotune must be off, cached or run, got always');
});

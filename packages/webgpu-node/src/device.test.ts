import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { jit, tensor, type LoopKernel, type Plan, type Tensor } from '@ashlar/tensor';
import { DeviceLostError, OutOfMemoryError, ValidationError, type WebgpuDevice } from '@ashlar/webgpu';
import { webgpu } from './index.js';
import { bundle } from './test/bundle.js';
import { at, load, number, PlanBuilder, randoms } from './test/plans.js';

let device: WebgpuDevice;
const open = async (): Promise<WebgpuDevice> => (device = await webgpu({ adapter: 'swiftshader', boundsChecks: true, poison: true }));
afterEach(() => device.close());

/** out = state ← state · 2 + input, and Σ state. */
function accumulating(on: WebgpuDevice): { plan: Plan; state: ReturnType<WebgpuDevice['allocate']> } {
  const state = on.allocate('f32', 200), builder = new PlanBuilder(), slot = builder.stateOf(state);
  const input = builder.input('f32', new Array<number>(200).fill(0)), large = builder.output('f32', 200), small = builder.output('f32', 1);
  const next = { kind: 'binary', op: 'add', dtype: 'f32', x: { kind: 'binary', op: 'mul', dtype: 'f32', x: load(slot, at([1])), y: number(2) }, y: load(input, at([1])) } as const;
  const update: LoopKernel = { kind: 'loop', name: 'update', space: [200], outer: 1, reductions: [], innerStores: [], outerStores: [{ slot, index: at([1]), value: next }, { slot: large, index: at([1]), value: next }] };
  const sum: LoopKernel = { kind: 'loop', name: 'sum', space: [200], outer: 0, reductions: [{ op: 'sum', level: 0, dtype: 'f32', value: load(slot, at([1])) }], innerStores: [], outerStores: [{ slot: small, index: at([]), value: { kind: 'reduced', dtype: 'f32', reduction: 0 } }] };
  return { plan: builder.plan(update, sum), state };
}

describe('runs', () => {
  test('after the second run only runs and submits change, one submit a run', async () => {
    await open();
    const { plan, state } = accumulating(device);
    state.write(new Float32Array(200));
    const executable = device.compilePlan(plan), input = new Float32Array(200).fill(1);
    const run = async (): Promise<void> => { const [large] = executable.run([input]); large!.release(); await executable.ready(); };
    await run();
    await run();
    const before = { ...device.counters };
    for (let i = 0; i < 20; i++) await run();
    const { runs, submits, ...rest } = device.counters, { runs: runsBefore, submits: submitsBefore, ...restBefore } = before;
    expect(rest).toEqual(restBefore);
    expect([runs - runsBefore, submits - submitsBefore]).toEqual([20, 20]);
  });

  test('many runs enqueued at once keep their order, inputs are copied, reads see their moment', async () => {
    await open();
    const { plan, state } = accumulating(device);
    state.write(new Float32Array(200));
    const executable = device.compilePlan(plan), input = new Float32Array(200);
    const reads: Promise<unknown>[] = [], results: number[] = [], expected: number[] = [];
    let value = 0;
    for (let i = 0; i < 9; i++) {
      input.fill(i);
      const [large, small] = executable.run([input]);
      value = value * 2 + i;
      expected.push(value);
      reads.push(small!.read().then((data) => { results[i] = data[0]! / 200; }), large!.read().then((data) => expect(data[7]).toBe(expected[i])));
      large!.release();
      if (i === 4) { state.write(new Float32Array(200).fill(100)); value = 100; reads.push(state.read().then((data) => expect(data[0]).toBe(100))); }
    }
    await Promise.all(reads);
    expect(results).toEqual(expected);
  });

  test('at most two runs are on the device; ready() waits for the rest', async () => {
    await open();
    const { plan, state } = accumulating(device);
    state.write(new Float32Array(200));
    const executable = device.compilePlan(plan), input = new Float32Array(200);
    for (let i = 0; i < 6; i++) executable.run([input])[0]!.release();
    expect(device.counters.submits).toBe(2);
    await executable.ready();
    expect(device.submissions.underWay).toBeLessThanOrEqual(1);
    expect(device.counters.submits).toBe(6);
  });

  test('small results stay readable as long as they are held: under later runs, and when their function is released', async () => {
    await open();
    const { plan, state } = accumulating(device);
    state.write(new Float32Array(200));
    const executable = device.compilePlan(plan), input = new Float32Array(200).fill(1), empty = new Float32Array(200);
    const first = executable.run([input])[1]!, { allocations, bytes } = device.counters;
    for (let i = 0; i < 1023; i++) { for (const result of executable.run([empty])) result.release(); if (i % 16 === 0) await executable.ready(); }
    await device.submissions.atMost(0);
    expect(device.counters).toMatchObject({ allocations, bytes });
    state.write(empty);
    const early = first.read(), later = executable.run([new Float32Array(200).fill(2)])[1]!; // takes the place of the first
    expect([await early, await first.read(), await later.read()].map((values) => values[0])).toEqual([200, 200, 400]);
    expect(device.counters.bytes).toBeGreaterThan(bytes);
    executable.release();
    expect([await first.read(), await later.read()].map((values) => values[0])).toEqual([200, 400]);
    first.release();
    await expect(first.read()).rejects.toThrow('was released');
    const twice = jit((x: Tensor) => x.mul(2), { device }), small = twice(tensor([1, 2, 3]));
    twice.release();
    expect(Array.from(await small.add(1).data(device))).toEqual([3, 5, 7]);
  }, 120_000);

  test('results feed other functions, small ones too', async () => {
    await open();
    const double = jit((x: Tensor) => x.mul(2), { device });
    const small = double(tensor([1, 2, 3])), other = jit((x: Tensor) => x.add(1), { device });
    expect(Array.from(await other(small).data())).toEqual([3, 5, 7]);
    const large = double(tensor(Array.from({ length: 300 }, (_, i) => i)));
    expect((await other(large).data())[299]).toBe(599);
    expect(Array.from(await small.add(10).data())).toEqual([12, 14, 16]);
  });

  test('inputs that do not fit are refused with what was given and what is taken', async () => {
    await open();
    const { plan } = accumulating(device), executable = device.compilePlan(plan);
    expect(() => executable.run([])).toThrow('takes 1 inputs, got 0');
    expect(() => executable.run([new Float32Array(3)])).toThrow('holds 200 elements; got 3');
    expect(() => executable.run([new Int32Array(200)])).toThrow('got Int32Array');
    const released = device.allocate('f32', 200);
    released.release();
    expect(() => executable.run([released])).toThrow('was released');
    executable.release();
    expect(() => executable.run([new Float32Array(200)])).toThrow('was released');
  });
});

describe('memory', () => {
  test('what is released is used again', async () => {
    await open();
    const before = { ...device.counters };
    for (let i = 0; i < 50; i++) { const one = device.allocate('f32', 100_000); one.write(new Float32Array(100_000).fill(i)); expect((await one.read())[99_999]).toBe(i); one.release(); one.release(); }
    expect(device.counters.bytes - before.bytes).toBeLessThan(600_000);
    expect(device.counters.allocations - before.allocations).toBeLessThanOrEqual(2);
  });

  test('too much memory is refused with bytes and limit', async () => {
    await open();
    expect(() => device.allocate('f32', 2 ** 40)).toThrow(OutOfMemoryError);
    const builder = new PlanBuilder(), out = builder.output('f32', 4), plan = { ...builder.plan({ kind: 'loop', name: 'fill', space: [4], outer: 1, reductions: [], innerStores: [], outerStores: [{ slot: out, index: at([1]), value: number(1) }] }), outputs: [{ ...out, size: 2 ** 33 }] };
    expect(() => device.compilePlan(plan)).toThrow(/needs \d+ bytes; this adapter gives at most \d+/);
    const dtypes = [...device.dtypes];
    expect(() => device.allocate('f16', 4)).toThrow(dtypes.includes('f16') ? /never/ : 'has no f16');
  });

  test('an empty storage reads as empty', async () => {
    await open();
    const empty = device.allocate('i32', 0);
    empty.write(new Int32Array(0));
    expect(await empty.read()).toEqual(new Int32Array(0));
  });
});

describe('failure', () => {
  test('loss of the device is a typed error, for what is pending and for what comes', async () => {
    await open();
    const { plan, state } = accumulating(device), executable = device.compilePlan(plan);
    for (let i = 0; i < 4; i++) executable.run([new Float32Array(200)]);
    const pending = state.read(), ready = executable.ready();
    device.gpu.destroy();
    await expect(pending).rejects.toBeInstanceOf(DeviceLostError);
    await expect(ready).rejects.toBeInstanceOf(DeviceLostError);
    expect(() => executable.run([new Float32Array(200)])).toThrow(DeviceLostError);
    expect(() => device.allocate('f32', 4)).toThrow(/checkpoint/);
    await expect(state.read()).rejects.toBeInstanceOf(DeviceLostError);
  });

  test('what the driver refuses surfaces at the next call, once', async () => {
    await open();
    device.gpu.createBuffer({ size: 16, usage: 0x1 | 0x2 }); // both mappings at once are not allowed
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(() => device.allocate('f32', 4)).toThrow(ValidationError);
    expect(device.allocate('f32', 4).size).toBe(4);
  });

  test('a closed device says so', async () => {
    await open();
    const storage = device.allocate('f32', 4), pending = storage.read().then(() => 'read', (error: Error) => error.message);
    await device.close();
    expect(await pending).toMatch(/closed/);
    await device.close();
    expect(() => device.allocate('f32', 4)).toThrow(/closed/);
    expect(device.counters.bytes).toBe(0);
  });

  test('a process ends by itself, and with the error that was thrown', async () => {
    await open();
    const { file, folder } = await bundle(`
      import { jit, tensor } from '@ashlar/tensor';
      import { webgpu } from './index.js';
      const mode = process.argv[2], device = await webgpu({ adapter: 'swiftshader' });
      const add = jit((x) => x.add(x), { device });
      console.log(Array.from(await add(tensor([2, 3, 4])).data()).join(' '));
      if (mode === 'throw') throw new Error('as expected');
      if (mode === 'reject') void Promise.reject(new Error('as expected'));
      if (mode === 'pending') { for (let i = 0; i < 5; i++) add(tensor([i, i, i])); add(tensor([2, 3, 4])).data().catch(() => {}); }
      if (mode !== 'forget' && mode !== 'reject') await device.close();
      else globalThis.kept = device;
    `);
    try {
      for (const mode of ['close', 'forget', 'throw', 'reject', 'pending']) {
        const result = spawnSync(process.execPath, [file, mode], { encoding: 'utf8', timeout: 25_000 }), failed = mode === 'throw' || mode === 'reject';
        expect({ mode, signal: result.signal, status: result.status, stderr: failed ? result.stderr.includes('as expected') : result.stderr }).toEqual({ mode, signal: null, status: failed ? 1 : 0, stderr: failed ? true : '' });
        expect(result.stdout).toBe('4 6 8\n');
      }
    } finally { rmSync(folder, { recursive: true, force: true }); }
  }, 120_000);
});

test('fresh memory holds NaN where a test asks for it', async () => {
  await open();
  expect(Array.from(await device.allocate('f32', 3).read())).toEqual([NaN, NaN, NaN]);
  expect(randoms(2)).not.toEqual([0, 0]);
});

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DotKernel, FusedKernel, Plan } from '@ashlar/tensor';
import { defineFused, jit, tensor, type Tensor } from '@ashlar/tensor';
import { openDevice, wasm } from './device.js';
import type { WasmDevice } from './device.js';
import type { WasmKernel } from './fused.js';
import { accessLane, add, forRange, get, int, load as loadCode, op } from './code.js';
import { control } from './layout.js';
import { bundle } from './test/bundle.js';
import { affine, binary, constant, data, input, load, loop, numbers, output, plan, reduced, runOnce, slot, view } from './test/hand-made.js';

const double = (n: number): Plan => {
  const from = input(0, 'f32', n), to = output(0, 'f32', n);
  return plan([loop([n], 1, { outerStores: [{ slot: to, index: affine(0, 1), value: binary('mul', load(from, affine(0, 1)), constant(2)) }] })], { inputs: [from], outputs: [to] });
};

describe('options', () => {
  test('threads must be a sensible number', async () => {
    for (const threads of [0, -1, 1.5, 65, NaN]) await expect(wasm({ threads })).rejects.toThrow(`wasm: threads must be a whole number from 1 to 64, got ${threads}`);
  });
  test('the description tells threads and instructions', async () => {
    await using one = await wasm({ threads: 1, relaxedSimd: false });
    expect(one.description).toBe('WebAssembly, 128-bit SIMD, 1 thread');
    await using two = await wasm({ threads: 2, relaxedSimd: true });
    expect(two.description).toBe('WebAssembly, 128-bit SIMD with fused multiply-add, 2 threads');
    expect(two.kind).toBe('wasm');
  });
});

describe('storages', () => {
  let device: WasmDevice;
  beforeAll(async () => { device = await openDevice({ threads: 2, divide: true }); });
  afterAll(() => device.close());

  test('hold what was written, in every dtype', async () => {
    for (const [dtype, values] of [['f32', Float32Array.of(1.5, -2)], ['f16', Uint16Array.of(0x3c00, 0x8000)], ['i32', Int32Array.of(-5, 7)], ['u32', Uint32Array.of(2 ** 32 - 1, 0)], ['bool', Uint32Array.of(1, 0)]] as const) {
      const storage = device.allocate(dtype, 2);
      storage.write(values);
      const got = await storage.read();
      expect(got).toEqual(values);
      got[0] = 9; // a copy
      expect(await storage.read()).toEqual(values);
      storage.release();
    }
  });
  test('refuse data of the wrong kind or size, and use after release', async () => {
    const storage = device.allocate('f32', 3);
    expect(() => storage.write(new Int32Array(3))).toThrow('wasm: write: f32 data is a Float32Array, got Int32Array');
    expect(() => storage.write(new Float32Array(2))).toThrow('wasm: write: expected 3 elements, got 2');
    storage.release();
    storage.release();
    expect(() => storage.write(new Float32Array(3))).toThrow('wasm: this storage was released');
    await expect(storage.read()).rejects.toThrow('wasm: this storage was released');
    expect(() => device.allocate('f32', -1)).toThrow('wasm: allocate: size must be a whole number ≥ 0, got -1');
  });
  test('survive the growth of the memory, which happens under them', async () => {
    const first = device.allocate('f32', 1000), values = Float32Array.from(numbers(1000, 1));
    first.write(values);
    const large = Array.from({ length: 6 }, () => device.allocate('f32', 5_000_000));
    large.at(-1)!.write(new Float32Array(5_000_000).fill(3));
    expect(await first.read()).toEqual(values);
    expect((await large.at(-1)!.read())[4_999_999]).toBe(3);
    const made = double(100_000), executable = device.compilePlan(made), [result] = executable.run([new Float32Array(100_000).fill(1)]);
    expect((await result!.read()).every((v) => v === 2)).toBe(true);
    result!.release();
    executable.release();
    for (const storage of [first, ...large]) storage.release();
  });
  test('more than there is gives a clear error and leaves the device whole', async () => {
    expect(() => device.allocate('f32', 2 ** 30)).toThrow(/^wasm: out of memory: /);
    const small = device.allocate('f32', 4);
    small.write(Float32Array.of(1, 2, 3, 4));
    expect(await small.read()).toEqual(Float32Array.of(1, 2, 3, 4));
    small.release();
  });
});

describe('executables', () => {
  let device: WasmDevice;
  beforeAll(async () => { device = await openDevice({ threads: 2, poison: true, divide: true }); });
  afterAll(() => device.close());

  test('counters: a step in the steady state changes runs and submits alone; all is given back', async () => {
    const before = { ...device.counters };
    const executable = device.compilePlan(double(10_000)), small = device.compilePlan(double(8));
    const x = new Float32Array(10_000).fill(1);
    for (let i = 0; i < 3; i++) executable.run([x]).forEach((result) => { result.release(); });
    small.run([new Float32Array(8)]);
    const steady = { ...device.counters };
    for (let i = 0; i < 50; i++) small.run([new Float32Array(8)]);
    expect({ ...device.counters }).toEqual({ ...steady, runs: steady.runs + 50, submits: steady.submits + 50 });
    expect(steady.pipelines - before.pipelines).toBe(2);
    expect(steady.bytes - before.bytes).toBe(2 * Math.ceil(40_000 / 64) * 64 + 2 * 64);
    executable.release();
    small.release();
    executable.release();
    expect(device.counters.bytes).toBe(before.bytes);
    expect(() => executable.run([x])).toThrow('wasm: this executable was released');
  });
  test('small results stay as they were while further runs happen', async () => {
    const executable = device.compilePlan(double(4));
    const results = Array.from({ length: 200 }, (_, i) => executable.run([Float32Array.of(i, i, i, i)])[0]!);
    for (const [i, result] of results.entries()) expect((await result.read())[0]).toBe(2 * i);
    executable.release();
    expect((await results[7]!.read())[3]).toBe(14);
  });
  test('large results are storages of their own, and can be inputs', async () => {
    const executable = device.compilePlan(double(1000));
    const [a] = executable.run([new Float32Array(1000).fill(1)]), [b] = executable.run([a!]);
    expect((await a!.read())[999]).toBe(2);
    expect((await b!.read())[999]).toBe(4);
    await executable.ready();
    a!.release();
    b!.release();
    executable.release();
  });
  test('state is updated in place; a released parameter is noticed', async () => {
    const storage = device.allocate('f32', 10), state = slot('f32', 10, { kind: 'state', storage });
    storage.write(new Float32Array(10).fill(1));
    const executable = device.compilePlan(plan([loop([10], 1, { outerStores: [{ slot: state, index: affine(0, 1), value: binary('add', load(state, affine(0, 1)), constant(1)) }] })], { state: [state] }));
    for (let i = 0; i < 3; i++) executable.run([]);
    expect(await storage.read()).toEqual(new Float32Array(10).fill(4));
    storage.release();
    expect(() => executable.run([])).toThrow('wasm: this storage was released');
    executable.release();
  });
  test.each(['read', 'ready'] as const)('timers and signals have their turn in a loop that awaits %s', async (what) => {
    const executable = device.compilePlan(double(8));
    let fired = false;
    setTimeout(() => { fired = true; }, 1);
    const start = performance.now();
    while (!fired && performance.now() - start < 5000) {
      const [result] = executable.run([new Float32Array(8)]);
      await (what === 'read' ? result!.read() : executable.ready());
    }
    expect(fired).toBe(true);
    executable.release();
  });
  test('constants are written once', async () => {
    const values = slot('f32', 3, { kind: 'constant', data: Float32Array.of(5, 6, 7) }), to = output(0, 'f32', 3);
    const [got] = await runOnce(device, plan([loop([3], 1, { outerStores: [{ slot: to, index: affine(0, 1), value: load(values, affine(0, 1)) }] })], { constants: [values], outputs: [to] }), []);
    expect([...got!]).toEqual([5, 6, 7]);
  });
  test('wrong inputs are named', async () => {
    const executable = device.compilePlan(double(4));
    expect(() => executable.run([])).toThrow('wasm: run: expected 1 inputs, got 0');
    expect(() => executable.run([new Float32Array(5)])).toThrow('wasm: run: input 0: expected 4 elements, got 5');
    expect(() => executable.run([new Uint32Array(4)])).toThrow('wasm: run: input 0: f32 data is a Float32Array, got Uint32Array');
    await using other = await openDevice({ threads: 1 });
    const foreign = other.allocate('f32', 4);
    expect(() => executable.run([foreign])).toThrow('wasm: run: input 0 lives on another device');
    const state = slot('f32', 4, { kind: 'state', storage: foreign });
    const before = device.counters.bytes;
    expect(() => device.compilePlan(plan([], { state: [state], workBytes: 1000 }))).toThrow('wasm: a parameter lives on another device');
    expect(device.counters.bytes).toBe(before);
    executable.release();
  });
  test('after close everything says so, and a second close is quiet', async () => {
    const closing = await openDevice({ threads: 2, divide: true }), storage = closing.allocate('f32', 4), executable = closing.compilePlan(double(4));
    await closing.close();
    await closing.close();
    expect(closing.counters.bytes).toBe(0);
    expect(() => closing.memory.wasm).toThrow('wasm: the device of this memory was closed');
    expect(() => closing.allocate('f32', 1)).toThrow('wasm: this device was closed');
    await expect(storage.read()).rejects.toThrow('wasm: the device of this storage was closed');
    expect(() => executable.run([new Float32Array(4)])).toThrow('wasm: the device of this executable was closed');
    executable.release();
    storage.release();
  });
  test('a fused operation of a third party brings its kernel', async () => {
    let emitted = 0;
    const kernel: WasmKernel = {
      when: ({ inputs }) => inputs[0]!.shape.length === 1,
      scratch: () => [],
      emit: ({ f, kernel: { inputs, outputs }, address }) => {
        emitted++;
        const i = f.local('i32'), n = inputs[0]!.shape[0]!;
        f.body.push(forRange(i, int(0), int(4 * n), int(4), accessLane('v128.store32_lane', add(address(outputs[0]!.slot), get(i)), op('f32x4.sqrt', loadCode('v128.load32_zero', add(address(inputs[0]!.slot), get(i)))), 0)));
      },
    };
    const root = defineFused({
      name: 'thirdPartyRoot', outputs: ([x]) => [{ shape: x!.shape, dtype: 'f32' }], reference: ([x]) => [x!.sqrt()],
      kernels: { wasm: kernel }, tolerance: { f32: 1e-6 }, cases: [],
    });
    expect([...await root([tensor([4, 9, 16])], {})[0]!.data(device)]).toEqual([2, 3, 4]);
    expect(emitted).toBe(1);
    expect([...await root([tensor(Float32Array.of(4, 9), { shape: [1, 2] })], {})[0]!.data(device)]).toEqual([2, 3]);
    expect(emitted).toBe(1);
  });
  test('a plan that asks for an unknown kernel is refused', () => {
    const strange: FusedKernel = { kind: 'fused', name: 'x', op: 'nowhereDefined', attributes: {}, inputs: [], outputs: [], scratch: [] };
    expect(() => device.compilePlan(plan([strange], {}))).toThrow("wasm: the plan asks for a kernel of 'nowhereDefined'");
  });
});

describe('threads', () => {
  test('a small plan wakes no other thread', async () => {
    await using device = await wasm({ threads: 2 }) as WasmDevice;
    const epoch = (): number => Atomics.load(new Int32Array(device.memory.wasm.buffer), control.epoch / 4), x = tensor(new Float32Array(100).fill(2));
    const small = jit((given: Tensor) => given.mul(3).sum(), { device }), large = jit((given: Tensor) => {
      const square = given.reshape([100, 1]).matmul(given.reshape([1, 100]));
      return square.matmul(square).matmul(square).matmul(square).matmul(square).sum();
    }, { device });
    const before = epoch();
    expect(await small(x).item()).toBe(600);
    expect(epoch()).toBe(before);
    expect(await large(x).item() / (4 * 400 ** 4 * 100 * 100)).toBeCloseTo(1, 5);
    expect(epoch()).toBeGreaterThan(before);
    large.release();
    small.release();
    expect(await jit((given: Tensor) => given.sum(), { device })(x).item()).toBe(200);
  });

  /** Products, rows, columns and attention of awkward sizes, as bytes. */
  async function everything(threads: number): Promise<string> {
    await using device = await openDevice({ threads, poison: true, divide: true });
    const [m, n, k] = [70, 190, 300], x = data('f32', m * k, 1), y = data('f32', k * n, 2);
    const [a, b] = [input(0, 'f32', m * k), input(1, 'f32', k * n)], outs = [output(0, 'f32', m * n), output(1, 'f32', m), output(2, 'f32', n), output(3, 'f32', m * k), output(4, 'f32', 300)];
    const work = slot('f32', m * n, { kind: 'work', offset: 0 });
    const dot: DotKernel = { kind: 'dot', name: 'dot', batch: [], m, n, k, a: view(a, [m, k]), b: view(b, [k, n]), stores: [{ slot: work, index: affine(0, n, 1), value: { kind: 'accumulator', dtype: 'f32' } }] };
    const scale = loop([m, n], 2, { outerStores: [{ slot: outs[0]!, index: affine(0, n, 1), value: binary('mul', load(work, affine(0, n, 1)), constant(0.3)) }] });
    const rows = loop([m, n], 1, { reductions: [{ op: 'sum', level: 0, dtype: 'f32', value: load(work, affine(0, n, 1)) }], outerStores: [{ slot: outs[1]!, index: affine(0, 1), value: reduced(0) }] });
    const columns = loop([n, m], 1, { reductions: [{ op: 'sum', level: 0, dtype: 'f32', value: load(work, affine(0, 1, n)) }], outerStores: [{ slot: outs[2]!, index: affine(0, 1), value: reduced(0) }] });
    const heads: FusedKernel = { kind: 'fused', name: 'attention', op: 'attention', attributes: { scale: 0.2, causal: true }, inputs: [view(a, [1, 3, 70, 100]), view(a, [1, 3, 70, 100]), view(a, [1, 3, 70, 100])], outputs: [view(outs[3]!, [1, 70, 3, 100]), view(outs[4]!, [1, 3, 70])], scratch: [] };
    const got = await runOnce(device, plan([dot, scale, rows, columns, heads], { inputs: [a, b], outputs: outs, workBytes: 4 * m * n }), [x.host, y.host]);
    return got.map((each, i) => Buffer.from(each.buffer, each.byteOffset, i === 4 ? 210 * 4 : each.byteLength).toString('base64')).join();
  }
  test('the same bits with 1, 2, 3 and 5', async () => {
    const one = await everything(1);
    expect(one.length).toBeGreaterThan(100_000);
    for (const threads of [2, 3, 5]) expect(await everything(threads) === one).toBe(true);
  });
  test('a kernel that traps makes an error, not a hang, and later runs say so', async () => {
    for (const culprit of [0, 1]) {
      const name = `trapOn${culprit}`;
      defineFused({ name, outputs: ([x]) => [{ shape: x!.shape, dtype: 'f32' }], reference: ([x]) => [x!], tolerance: {}, cases: [], kernels: { wasm: { when: () => true, scratch: () => [], emit: ({ f, thread }) => { f.body.push(op('i32.eq', thread, int(culprit)), 0x04, 0x40, op('unreachable'), 0x0b); } } satisfies WasmKernel } });
      await using device = await openDevice({ threads: 2, divide: true });
      const executable = device.compilePlan(plan([{ kind: 'fused', name, op: name, attributes: {}, inputs: [], outputs: [], scratch: [] }], {}));
      expect(() => executable.run([])).toThrow('wasm: a thread stopped in the middle of its work');
      expect(() => executable.run([])).toThrow('wasm: a thread stopped in the middle of its work');
    }
  });
});

describe('processes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ashlar-wasm-'));
  afterAll(() => { rmSync(folder, { recursive: true, force: true }); });

  /** Runs a program that uses this package, in a process of its own. */
  async function run(name: string, program: string): Promise<{ status: number | null; stdout: string; stderr: string; seconds: number }> {
    const file = await bundle(name, program, folder), start = performance.now();
    const { status, stdout, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8', timeout: 40_000 });
    return { status, stdout, stderr, seconds: (performance.now() - start) / 1000 };
  }
  const head = "import { wasm } from './index.js'; import { tensor } from '@ashlar/tensor'; const device = await wasm({ threads: 3 });";

  test('end by themselves when the work is done, without close', async () => {
    const { status, stdout, seconds } = await run('idle', `${head} console.log([...await tensor([1, 2, 3]).mul(2).data(device)].join());`);
    expect({ status, stdout }).toEqual({ status: 0, stdout: '2,4,6\n' });
    expect(seconds).toBeLessThan(20);
  });
  test('end with the error that was thrown', async () => {
    const { status, stderr } = await run('error', `${head} await tensor([1, 2, 3]).data(device); throw new Error('as expected');`);
    expect(status).toBe(1);
    expect(stderr).toContain('as expected');
  });
  test('end after close', async () => {
    const { status, stdout } = await run('closed', `${head} await device.close(); console.log('closed');`);
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'closed\n' });
  });
});

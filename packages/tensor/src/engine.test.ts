import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Variable, assign, checkpoint, fromHalf, gradients, hostRandom, jit, passNames, randomKey, randomNormal, randomUniform, read, slotsOf, tensor, threefry, toHalf, type Tensor } from './index.js';
import { addIndex, bounds, constantIndex, divMod, flatten, loopIndex, reshapeIndex, scaleIndex } from './index-algebra.js';
import type { Index } from './kernel.js';
import { planMemory } from './memory.js';
import { reference } from './reference.js';
import { evaluateIndex, PlanDevice } from './testing/plan-interpreter.js';

describe('f16', () => {
  test('every bit pattern survives the way to f32 and back', () => {
    for (let bits = 0; bits < 65536; bits++) if ((bits & 0x7c00) !== 0x7c00 || (bits & 1023) === 0) expect(toHalf(fromHalf(bits))).toBe(bits);
  });
  test('rounds to nearest, ties to even, overflows to infinity', () => {
    expect([1, 65504, 65519.996, 65520, 2 ** -24, 2 ** -25, 1.5 * 2 ** -24, 1 + 2 ** -11, 1 + 3 * 2 ** -11, -0].map(toHalf)).toEqual([0x3c00, 0x7bff, 0x7bff, 0x7c00, 1, 0, 2, 0x3c00, 0x3c02, 0x8000]);
    expect(fromHalf(toHalf(NaN))).toBeNaN();
  });
});

describe('random numbers', () => {
  test('Threefry-2x32, 20 rounds: the known answers of Random123', () => {
    expect(threefry(0, 0, 0, 0)).toEqual([0x6b200159, 0x99ba4efe]);
    expect(threefry(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff)).toEqual([0x1cb996fc, 0xbb002be7]);
    expect(threefry(0x13198a2e, 0x03707344, 0x243f6a88, 0x85a308d3)).toEqual([0xc4923a9c, 0x483df7a0]);
  });
  test('uniform and normal have their moments; the host generator stays in [0, 1)', async () => {
    const key = tensor(new Uint32Array([3, 5])), device = reference();
    const uniform = await randomUniform(key, [20_000]).data(device), normal = await randomNormal(key, [20_000]).data(device);
    const mean = (values: ArrayLike<number>): number => Array.from(values).reduce((sum, x) => sum + x, 0) / values.length;
    expect(mean(uniform)).toBeCloseTo(0.5, 1);
    expect(mean(uniform.map((x) => (x - 0.5) ** 2))).toBeCloseTo(1 / 12, 2);
    expect(Math.min(...uniform)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...uniform)).toBeLessThan(1);
    expect(mean(normal)).toBeCloseTo(0, 1);
    expect(mean(normal.map((x) => x * x))).toBeCloseTo(1, 1);
    const next = hostRandom(randomKey(7)), again = hostRandom(randomKey(7)), values = Array.from({ length: 1000 }, next);
    expect(values.every((x) => x >= 0 && x < 1)).toBe(true);
    expect(Array.from({ length: 1000 }, again)).toEqual(values);
    expect(() => randomKey(-1)).toThrow(/seed/);
  });
});

describe('indices', () => {
  const space = [3, 4, 5];
  const indices: fc.Arbitrary<Index> = fc.tuple(fc.nat(20), fc.array(fc.tuple(fc.nat(2), fc.nat(30)), { maxLength: 4 })).map(([base, terms]) =>
    terms.reduce((sum, [axis, factor]) => addIndex(sum, scaleIndex(loopIndex(axis), factor)), constantIndex(base)));
  const value = (index: Index, point: readonly number[]): number => evaluateIndex(index, point, () => NaN, []);
  const points = [[0, 0, 0], [2, 3, 4], [1, 2, 3], [0, 3, 1], [2, 0, 4]];
  test('quotient and remainder, and what puts them together again', () => {
    fc.assert(fc.property(indices, fc.integer({ min: 1, max: 40 }), (index, by) => {
      const [quotient, remainder] = divMod(index, by, space), joined = addIndex(scaleIndex(quotient, by), remainder);
      for (const point of points) {
        expect(value(quotient, point)).toBe(Math.floor(value(index, point) / by));
        expect(value(remainder, point)).toBe(value(index, point) % by);
        expect(value(joined, point)).toBe(value(index, point));
        const [low, high] = bounds(index, space);
        expect(value(index, point)).toBeGreaterThanOrEqual(low);
        expect(value(index, point)).toBeLessThanOrEqual(high);
      }
    }));
  });
  test('a reshape keeps the row-major position', () => {
    for (const [from, to] of [[[3, 4, 5], [60]], [[3, 4, 5], [12, 5]], [[3, 4, 5], [6, 10]], [[3, 4, 5], [3, 1, 2, 2, 5, 1]], [[3, 4, 5], [5, 4, 3]]] as const) {
      const index = [0, 1, 2].map(loopIndex), moved = flatten(reshapeIndex(index, from, to, space), to);
      for (const point of points) expect(value(moved, point)).toBe(value(flatten(index, from), point));
    }
  });
});

test('planned memory: what lives at one time does not overlap, and is no more than laid out in a row', () => {
  const lifetimes = fc.array(fc.record({ bytes: fc.nat(5000), first: fc.nat(30), length: fc.nat(10) }).map(({ bytes, first, length }) => ({ bytes, first, last: first + length })), { maxLength: 60 });
  fc.assert(fc.property(lifetimes, (buffers) => {
    const { offsets, bytes } = planMemory(buffers, true);
    buffers.forEach((a, i) => {
      expect(offsets[i]! % 256).toBe(0);
      expect(offsets[i]! + a.bytes).toBeLessThanOrEqual(bytes);
      buffers.forEach((b, j) => { if (j < i && a.first <= b.last && b.first <= a.last && a.bytes > 0 && b.bytes > 0) expect(offsets[i]! + a.bytes <= offsets[j]! || offsets[j]! + b.bytes <= offsets[i]!).toBe(true); });
    });
    expect(bytes).toBeLessThanOrEqual(planMemory(buffers, false).bytes);
  }));
});

describe('jit', () => {
  const device = new PlanDevice();
  test('compiles once a signature and says why it compiled again', async () => {
    const f = jit((x: Tensor, options: { scale: number }) => ({ y: x.mul(options.scale) }), { device });
    expect([...(await f(tensor([1, 2]), { scale: 3 }).y.data())]).toEqual([3, 6]);
    f(tensor([5, 6]), { scale: 3 });
    expect(f.compilations.length).toBe(1);
    f(tensor([1, 2, 3]), { scale: 3 });
    f(tensor([1, 2, 3]), { scale: 4 });
    expect(f.compilations.map(({ reason }) => reason)).toEqual(['first call', 'arguments changed from [f32[2], { scale: 3 }] to [f32[3], { scale: 3 }]', 'arguments changed from [f32[3], { scale: 3 }] to [f32[3], { scale: 4 }]']);
    expect(f.count).toBe(4);
  });
  test('refuses what it cannot trace', () => {
    expect(() => jit(async () => 1, { device })()).toThrow(/async/);
    expect(() => jit((x: unknown) => x, { device })(new Map())).toThrow(/Map/);
    expect(() => jit((x: Tensor) => x, { device, passes: { fuse: false } as never })(tensor([1]))).toThrow(/'fuse' is no pass; there are simplify, /);
    const variable = new Variable([2], 'f32');
    expect(() => assign(variable, tensor([1, 2]))).toThrow(/inside a function given to jit/);
    expect(() => jit(() => assign(variable, tensor([1, 2, 3])), { device })()).toThrow(/cannot assign f32 \[3\]/);
    expect(() => new Variable([2], 'f32', new Float32Array(3), { name: 'w' })).toThrow('w [2] takes a Float32Array of 2 elements, got a Float32Array of 3');
  });
  test('a traced tensor that escapes has no value', async () => {
    let escaped: Tensor | undefined;
    jit((x: Tensor) => { escaped = x.add(1); return x; }, { device })(tensor([1]));
    await expect(escaped!.data()).rejects.toThrow(/function under trace/);
    await expect(tensor([1]).add(1).data()).rejects.toThrow(/no device is known/);
  });
  test('a checkpoint needs less working memory, and the gradient is the same', async () => {
    const w = new Variable([32, 32], 'f32', Float32Array.from({ length: 1024 }, (_, i) => Math.sin(i)));
    const layer = (x: Tensor): Tensor => x.matmul(read(w)).tanh().matmul(read(w)).mul(0.1).tanh().add(x);
    const build = (wrap: typeof layer) => jit((x: Tensor) => { let h = x; for (let i = 0; i < 8; i++) h = wrap(h); return gradients(h.square().sum(), [read(w)]); }, { device });
    const plain = build(layer), saved = build((x) => checkpoint(layer)(x)), x = tensor(Float32Array.from({ length: 96 * 32 }, (_, i) => Math.cos(i)), { shape: [96, 32] });
    const [a, b] = [await plain(x)[0]!.data(), await saved(x)[0]!.data()];
    b.forEach((value, i) => expect(value).toBeCloseTo(a[i]!, 4));
    expect(saved.plan!.workBytes).toBeLessThan(0.7 * plain.plan!.workBytes);
    expect(saved.plan!.steps.reduce((sum, step) => sum + step.flops, 0)).toBeGreaterThan(plain.plan!.steps.reduce((sum, step) => sum + step.flops, 0));
  });
  test('parts that wait for each other share working memory, and their gradients become one sum', async () => {
    const w = new Variable([16, 16], 'f32', Float32Array.from({ length: 256 }, (_, i) => Math.sin(i)));
    const loss = (x: Tensor): Tensor => { let h = x; for (let i = 0; i < 6; i++) h = h.matmul(read(w)).tanh(); return h.square().sum(); };
    const build = (parts: number, wait: boolean) => jit((x: Tensor) => {
      let sum: Tensor | undefined;
      for (const part of x.split(parts, 0)) {
        const [slope] = sum && wait ? gradients(loss(part.after(sum)), [read(w)], { onto: [sum] }) : gradients(loss(part), [read(w)]);
        sum = sum && !wait ? sum.add(slope!) : slope;
      }
      return sum!;
    }, { device });
    const x = tensor(Float32Array.from({ length: 64 * 16 }, (_, i) => Math.cos(i)), { shape: [64, 16] }), one = build(1, false), quarter = build(1, false);
    const whole = await one(x).data();
    quarter(x.slice([0, 16]));
    for (const wait of [false, true]) {
      const parts = build(4, wait), sums = await parts(x).data();
      sums.forEach((value, i) => expect(value).toBeCloseTo(whole[i]!, 3));
      const { workBytes } = parts.plan!, room = quarter.plan!.workBytes + 3 * 4 * 256; // of one part, and the sum as it was, is, and will be
      if (wait) expect(workBytes).toBeLessThanOrEqual(room); else expect(workBytes).toBeGreaterThan(room);
    }
  });
  test('gradients are added only to what fits them', () => {
    const x = tensor([1, 2, 3]), y = x.mul(2), sum = tensor([1, 1, 1]);
    expect(() => gradients(x.sum(), [x], { onto: [tensor([1])] })).toThrow('onto must be tensors like those to differentiate by (f32 [3]), got f32 [1]');
    expect(() => gradients(y.sum(), [y], { onto: [sum] })).toThrow('inputs or variables, each once');
    expect(() => gradients(x.sum(), [x, x], { onto: [sum, sum] })).toThrow('inputs or variables, each once');
  });
  test('many parameters and deep expressions give kernels of bounded size', async () => {
    const list = Array.from({ length: 300 }, (_, i) => new Variable([4], 'f32', new Float32Array(4).fill(i / 300)));
    const step = jit(() => {
      const slopes = gradients(list.map((variable) => read(variable).square().sum()).reduce((sum, x) => sum.add(x)), list.map(read));
      const norm = slopes.map((slope) => slope.square().sum()).reduce((sum, x) => sum.add(x)).sqrt();
      list.forEach((variable, i) => assign(variable, read(variable).sub(slopes[i]!.div(norm))));
      let deep = read(list[0]!);
      for (let i = 0; i < 3000; i++) deep = deep.mul(0.5).add(1);
      return { norm, deep: deep.sum() };
    }, { device });
    const expected = Math.sqrt(list.reduce((sum, _, i) => sum + 4 * (2 * i / 300) ** 2, 0)), { norm, deep } = step();
    expect(await norm.item()).toBeCloseTo(expected, 3);
    expect(await deep.item()).toBeCloseTo(8, 4);
    for (const { kernel } of step.plan!.steps) for (const one of kernel.kind === 'multi' ? kernel.loops : [kernel]) { const { reads, writes } = slotsOf(one); expect(reads.size + writes.size).toBeLessThan(40); }
  });
  test('explain names kernels, FLOPs and memory; every pass changes nothing but the plan', async () => {
    const x = tensor(Float32Array.from({ length: 12 }, (_, i) => i / 7), { shape: [3, 4] });
    const f = (passes?: Record<string, boolean>) => jit((y: Tensor) => y.matmul(y.transpose()).add(1).softmax(), passes ? { device, passes } : { device });
    const all = f(), expected = await all(x).data();
    expect(all.plan!.explain()).toMatch(/dot +matmul.*\n.*loop +max-sum.*\n2 kernels, .*FLOP; memory: /);
    for (const name of passNames) expect(await f({ [name]: false })(x).data()).toEqual(expected);
  });
});

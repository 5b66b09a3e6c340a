import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Expression, Index, LoopKernel, ReduceOp, Slot, Store } from '@ashlar/tensor';
import type { WebgpuDevice } from '@ashlar/webgpu';
import { webgpu } from './index.js';
import { Interpreter } from './test/interpreter.js';
import { at, expectClose, load, number, PlanBuilder, randoms, strides } from './test/plans.js';

type Binary = Extract<Expression, { kind: 'binary' }>['op'];
const f = (op: Binary, x: Expression, y: Expression): Expression => ({ kind: 'binary', op, dtype: op === 'lt' || op === 'le' || op === 'and' ? 'bool' : x.dtype, x, y });
const reduced = (reduction: number): Expression => ({ kind: 'reduced', dtype: 'f32', reduction });
const sum = (value: Expression, level = 0): LoopKernel['reductions'][number] => ({ op: 'sum', level, dtype: 'f32', value });
const loopOf = (kernel: Partial<LoopKernel> & { space: number[] }): LoopKernel =>
  ({ kind: 'loop', name: 'loop', outer: kernel.space.length, reductions: [], outerStores: [], innerStores: [], ...kernel });

describe.each(['cpu', 'gpu'] as const)('loop kernels for the %s class', (adapterClass) => {
  let device: WebgpuDevice;
  beforeAll(async () => { device = await webgpu({ adapter: 'swiftshader', adapterClass, boundsChecks: true, poison: true }); });
  afterAll(() => device.close());

  /** Runs kernels on the device and in plain f64 and compares every output. */
  async function check(builder: PlanBuilder, kernels: LoopKernel[], tolerance = 1e-5, what = ''): Promise<void> {
    const memory = new Map<number, number[]>();
    builder.inputs.forEach((slot, i) => memory.set(slot.id, builder.data[i]!.map((x) => (slot.dtype === 'f32' ? Math.fround(x) : x))));
    for (const slot of builder.constants) memory.set(slot.id, Array.from((slot.place as { data: Float32Array }).data));
    for (const slot of builder.outputs) memory.set(slot.id, new Array<number>(slot.size).fill(NaN));
    const interpreter = new Interpreter(memory);
    for (const kernel of kernels) interpreter.run(kernel);
    const results = await builder.run(device, ...kernels);
    results.forEach((data, i) => expectClose(data, memory.get(builder.outputs[i]!.id)!, tolerance, `${what} output ${i}`));
  }

  test.each([[], [1], [4], [5], [0], [3, 4], [4, 3], [2, 3, 5], [2, 8, 12], [1, 1, 7], [16, 1, 4], [2, 0, 3], [70000], [3, 4, 5, 6]].map((space) => ({ space })))('points of $space, contiguous and transposed', async ({ space }) => {
    const size = space.reduce((x, y) => x * y, 1), builder = new PlanBuilder();
    const x = builder.input('f32', randoms(size, 1)), y = builder.input('f32', randoms(size, 2)), out = builder.output('f32', size), turned = builder.output('f32', size);
    const back = strides([...space].reverse()).reverse();
    const value = f('add', f('mul', load(x, at(strides(space))), load(y, at(strides(space)))), load(x, at(back)));
    await check(builder, [loopOf({ space, outerStores: [{ slot: out, index: at(strides(space)), value }, { slot: turned, index: at(back), value: f('sub', value, number(1)) }] })]);
  });

  test('broadcast, strided, reversed and offset loads', async () => {
    for (const [rows, columns] of [[5, 7], [6, 8], [1, 4], [9, 1]] as const) {
      const builder = new PlanBuilder(), table = builder.input('f32', randoms(400, 3)), out = builder.output('f32', rows * columns);
      const value = [at([0, 1]), at([1, 0]), at([columns * 2, 2], 1), at([-columns, -1], rows * columns - 1), at([columns, 1], 3), at([16, 1], 8)].map((index) => load(table, index)).reduce((a, b) => f('add', f('mul', a, number(0.5)), b));
      await check(builder, [loopOf({ space: [rows, columns], outerStores: [{ slot: out, index: at([columns, 1]), value }] })], 1e-5, `${rows}×${columns}`);
    }
  });

  test('div and mod in indices, the value of an index', async () => {
    for (const [size, by] of [[24, 4], [24, 8], [25, 5], [28, 7], [40, 3]] as const) {
      const builder = new PlanBuilder(), x = builder.input('f32', randoms(200, 4)), out = builder.output('f32', size);
      const whole = at([1]);
      const index: Index = { base: 1, terms: [{ atom: { kind: 'mod', of: whole, by }, factor: 3 }, { atom: { kind: 'div', of: whole, by }, factor: 1 }] };
      const swapped: Index = { base: 0, terms: [{ atom: { kind: 'div', of: whole, by }, factor: 4 }, { atom: { kind: 'mod', of: whole, by: 4 }, factor: 1 }] };
      const number_: Expression = { kind: 'cast', dtype: 'f32', x: { kind: 'index', dtype: 'i32', index } };
      await check(builder, [loopOf({ space: [size], outerStores: [{ slot: out, index: whole, value: f('add', f('add', load(x, index), load(x, swapped)), number_) }] })], 1e-5, `${size} by ${by}`);
    }
  });

  test('guards keep loads inside: padding left and right, by a test of the index and of data', async () => {
    for (const size of [12, 13]) {
      const builder = new PlanBuilder(), x = builder.input('f32', randoms(size - 5, 5)), flags = builder.input('bool', randoms(size, 6).map((v) => +(v > 0))), out = builder.output('f32', size), chosen = builder.output('f32', size);
      const moved: Expression = { kind: 'index', dtype: 'i32', index: at([1], -2) };
      const inside = f('and', f('le', number(0, 'i32'), moved), f('lt', moved, number(size - 5, 'i32')));
      const flag = load(flags, at([1])), both: Expression = { kind: 'binary', op: 'and', dtype: 'bool', x: inside, y: flag };
      await check(builder, [loopOf({
        space: [size], outerStores: [
          { slot: out, index: at([1]), value: load(x, at([1], -2), inside) },
          { slot: chosen, index: at([1]), value: { kind: 'select', dtype: 'f32', test: flag, x: load(x, at([1], -2), both), y: number(-1) } },
        ],
      })]);
    }
  });

  test('gather of rows whose number is data', async () => {
    for (const width of [4, 6, 7]) {
      const builder = new PlanBuilder(), table = builder.input('f32', randoms(9 * width, 7)), rows = builder.input('i32', [3, 0, 8, 8, 1]), out = builder.output('f32', 5 * width);
      const index: Index = { base: 0, terms: [{ atom: { kind: 'value', of: load(rows, at([1, 0])) }, factor: width }, { atom: { kind: 'loop', axis: 1 }, factor: 1 }] };
      await check(builder, [loopOf({ space: [5, width], outerStores: [{ slot: out, index: at([width, 1]), value: f('mul', load(table, index), number(2)) }] })]);
    }
  });

  test('an index from data that lies outside reads within the slot', async () => {
    const builder = new PlanBuilder(), table = builder.input('f32', [1, 2, 3, 4]), rows = builder.input('i32', [-5, 2, 1000000, 1]), out = builder.output('f32', 4);
    const index: Index = { base: 0, terms: [{ atom: { kind: 'value', of: load(rows, at([1])) }, factor: 1 }] };
    expect(await builder.run(device, loopOf({ space: [4], outerStores: [{ slot: out, index: at([1]), value: load(table, index) }] }))).toEqual([[1, 3, 4, 2]]);
  });

  const reductionSpaces = [
    { space: [5, 7], outer: 1 }, { space: [4, 8], outer: 1 }, { space: [3, 4, 12], outer: 1 }, { space: [3, 65], outer: 1 }, { space: [2, 1000], outer: 1 }, { space: [1300], outer: 0 },
    { space: [1], outer: 0 }, { space: [4, 1], outer: 1 }, { space: [6, 0], outer: 1 }, { space: [0, 6], outer: 1 }, { space: [130, 3], outer: 1 }, { space: [2, 3, 4, 5], outer: 2 }, { space: [3, 2048], outer: 1 }, { space: [33000], outer: 0 },
  ];
  test.each(reductionSpaces)('sum, maximum and minimum over $space with $outer outer axes', async ({ space, outer }) => {
    const size = space.reduce((x, y) => x * y, 1), rows = space.slice(0, outer).reduce((x, y) => x * y, 1), builder = new PlanBuilder();
    const x = builder.input('f32', randoms(size, 8)), outs = ([...['sum', 'max', 'min']] as ReduceOp[]).map(() => builder.output('f32', rows));
    const element = load(x, at(strides(space)));
    const reductions = (['sum', 'max', 'min'] as const).map((op) => ({ op, level: 0, dtype: 'f32' as const, value: f('mul', element, number(3)) }));
    await check(builder, [loopOf({ space, outer, reductions, outerStores: outs.map((slot, i) => ({ slot, index: at(strides(space.slice(0, outer))), value: f('add', reduced(i), number(1)) })) })]);
  });

  test('sums down columns, of few and of many rows', async () => {
    for (const [rows, columns] of [[7, 12], [768, 128], [900, 5], [64, 64]] as const) {
      const builder = new PlanBuilder(), x = builder.input('f32', randoms(rows * columns, 9)), out = builder.output('f32', columns);
      await check(builder, [loopOf({ space: [columns, rows], outer: 1, reductions: [sum(load(x, at([1, columns])))], outerStores: [{ slot: out, index: at([1]), value: reduced(0) }] })], 1e-4, `${rows}×${columns}`);
    }
  });

  test.each([[5, 33], [8, 64], [4, 1], [3, 520], [300, 16]] as const)('levels: layer norm and softmax of %i rows of %i', async (rows, width) => {
    const builder = new PlanBuilder(), x = builder.input('f32', randoms(rows * width, 10)), gain = builder.input('f32', randoms(width, 11));
    const normalized = builder.output('f32', rows * width), mean = builder.output('f32', rows), softmax = builder.output('f32', rows * width);
    const element = load(x, at([width, 1])), average = f('mul', reduced(0), number(1 / width)), centred = f('sub', element, average);
    const inverse: Expression = { kind: 'unary', op: 'rsqrt', dtype: 'f32', x: f('add', f('mul', reduced(1), number(1 / width)), number(1e-3)) };
    const norm = loopOf({
      space: [rows, width], outer: 1, reductions: [sum(element), sum(f('mul', centred, centred), 1)],
      outerStores: [{ slot: mean, index: at([1]), value: average }],
      innerStores: [{ slot: normalized, index: at([width, 1]), value: f('mul', f('mul', centred, inverse), load(gain, at([0, 1]))) }],
    });
    const power: Expression = { kind: 'unary', op: 'exp', dtype: 'f32', x: f('sub', element, reduced(0)) };
    const soft = loopOf({
      space: [rows, width], outer: 1, reductions: [{ op: 'max', level: 0, dtype: 'f32', value: element }, sum(power, 1)],
      innerStores: [{ slot: softmax, index: at([width, 1]), value: { kind: 'binary', op: 'mul', dtype: 'f32', x: power, y: { kind: 'unary', op: 'rsqrt', dtype: 'f32', x: f('mul', reduced(1), reduced(1)) } } }],
    });
    await check(builder, [norm, soft], 2e-5);
  });

  test('in-place updates, with values taken before anything is stored', async () => {
    const builder = new PlanBuilder(), x = builder.input('f32', randoms(40, 12)), y = builder.input('f32', randoms(40, 13)), out = builder.output('f32', 40), second = builder.output('f32', 40);
    const copy = (from: Slot, to: Slot): Store => ({ slot: to, index: at([1]), value: load(from, at([1])) });
    const a = load(out, at([1])), b = load(second, at([1]));
    await check(builder, [
      loopOf({ space: [40], outerStores: [copy(x, out), copy(y, second)] }),
      loopOf({ space: [40], outerStores: [{ slot: out, index: at([1]), value: f('add', a, b) }, { slot: second, index: at([1]), value: f('sub', a, b) }] }),
    ]);
  });

  test('integer and boolean reductions and results', async () => {
    const builder = new PlanBuilder(), x = builder.input('i32', randoms(60, 14).map((v) => Math.round(v * 1e9))), total = builder.output('i32', 6), largest = builder.output('i32', 6), positive = builder.output('bool', 60), cast = builder.output('i32', 60);
    const element = load(x, at([10, 1]));
    const wrapped = Array.from({ length: 6 }, (_, r) => builder.data[0]!.slice(r * 10, r * 10 + 10).reduce((s, v) => (s + v) | 0, 0));
    const results = await builder.run(device, loopOf({
      space: [6, 10], outer: 1, reductions: [{ op: 'sum', level: 0, dtype: 'i32', value: element }, { op: 'max', level: 0, dtype: 'i32', value: element }],
      outerStores: [{ slot: total, index: at([1]), value: { kind: 'reduced', dtype: 'i32', reduction: 0 } }, { slot: largest, index: at([1]), value: { kind: 'reduced', dtype: 'i32', reduction: 1 } }],
      innerStores: [{ slot: positive, index: at([10, 1]), value: f('lt', number(0, 'i32'), element) }, { slot: cast, index: at([10, 1]), value: { kind: 'select', dtype: 'i32', test: f('lt', element, number(0, 'i32')), x: number(-1, 'i32'), y: element } }],
    }));
    expect(results[0]).toEqual(wrapped);
    expect(results[1]).toEqual(Array.from({ length: 6 }, (_, r) => Math.max(...builder.data[0]!.slice(r * 10, r * 10 + 10))));
    expect(results[2]).toEqual(builder.data[0]!.map((v) => +(v > 0)));
    expect(results[3]).toEqual(builder.data[0]!.map((v) => Math.max(v, -1)));
  });

  test('a NaN reaches sums and maxima', async () => {
    const builder = new PlanBuilder(), x = builder.input('f32', [1, 2, NaN, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8]), out = builder.output('f32', 4);
    const element = load(x, at([8, 1]));
    const [result] = await builder.run(device, loopOf({ space: [2, 8], outer: 1, reductions: [sum(element), { op: 'max', level: 0, dtype: 'f32', value: element }], outerStores: [{ slot: out, index: at([2]), value: reduced(0) }, { slot: out, index: at([2], 1), value: reduced(1) }] }));
    expect(result).toEqual([NaN, NaN, 36, 8]);
  });

  test('many single elements of one buffer', async () => {
    const builder = new PlanBuilder(), x = builder.input('f32', randoms(400, 60)), n = builder.input('i32', randoms(40, 61).map((v) => Math.round(v * 99))), out = builder.output('f32', 1), scaled = builder.output('f32', 12);
    const parts: Expression[] = Array.from({ length: 30 }, (_, i) => load(x, at([], i * 13 % 400)));
    const counts: Expression[] = Array.from({ length: 9 }, (_, i) => ({ kind: 'cast', dtype: 'f32', x: load(n, at([], i * 4)) }));
    const total = [...parts, ...counts].reduce((a, b) => f('add', a, b));
    await check(builder, [
      loopOf({ space: [], outerStores: [{ slot: out, index: at([]), value: total }] }),
      loopOf({ space: [12], outerStores: [{ slot: scaled, index: at([1]), value: f('mul', total, load(x, at([2]))) }] }),
    ]);
  });

  test('more slots than the adapter has bindings', async () => {
    const builder = new PlanBuilder(), inputs = Array.from({ length: 20 }, (_, i) => builder.input('f32', randoms(24, 20 + i))), outs = [0, 1, 2].map(() => builder.output('f32', 24));
    const whole = builder.input('i32', randoms(24, 50).map((v) => Math.round(v * 9)));
    const total = inputs.map((slot) => load(slot, at([1]))).reduce((a, b) => f('add', a, b));
    await check(builder, [loopOf({ space: [24], outerStores: outs.map((slot, i) => ({ slot, index: at([1]), value: f('add', f('mul', total, number(i + 1)), { kind: 'cast', dtype: 'f32', x: load(whole, at([1])) }) })) })]);
    expect(inputs.length).toBeGreaterThan(device.gpu.limits.maxStorageBuffersPerShaderStage);
  });
});

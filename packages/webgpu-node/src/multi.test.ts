import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Expression, LoopKernel, MultiKernel, Slot } from '@ashlar/tensor';
import type { WebgpuDevice } from '@ashlar/webgpu';
import { webgpu } from './index.js';
import { at, expectClose, load, number, PlanBuilder, randoms } from './test/plans.js';

describe.each(['cpu', 'gpu'] as const)('alike loops in one dispatch, for the %s class', (adapterClass) => {
  let device: WebgpuDevice;
  beforeAll(async () => { device = await webgpu({ adapter: 'swiftshader', adapterClass, boundsChecks: true, poison: true }); });
  afterAll(() => device.close());

  test('an update in place of parameters of many sizes', async () => {
    const sizes = [4, 128, 65 * 128, 7, 1, 0, 513, 40, 20000], builder = new PlanBuilder();
    const rate = builder.input('f32', [0.1]);
    const parameters = sizes.map((size, i) => ({ initial: randoms(size, i + 1), gradient: randoms(size, i + 40), storage: device.allocate('f32', size) }));
    for (const { initial, storage } of parameters) storage.write(Float32Array.from(initial));
    const gradients = parameters.map(({ gradient }) => builder.input('f32', gradient));
    const update = (state: Slot, gradient: Slot): LoopKernel => {
      const value: Expression = { kind: 'binary', op: 'sub', dtype: 'f32', x: load(state, at([1])), y: { kind: 'binary', op: 'mul', dtype: 'f32', x: load(gradient, at([1])), y: load(rate, at([])) } };
      return { kind: 'loop', name: 'update', space: [state.size], outer: 1, reductions: [], innerStores: [], outerStores: [{ slot: state, index: at([1]), value }] };
    };
    const kernel: MultiKernel = { kind: 'multi', name: 'updates', loops: parameters.map(({ storage }, i) => update(builder.stateOf(storage), gradients[i]!)) };
    const before = device.counters.bindGroups, executable = device.compilePlan(builder.plan(kernel));
    // Fours, and the odd sizes; an empty one needs nothing, and so does a size of one, whose axis goes.
    expect(device.counters.bindGroups - before).toBeLessThanOrEqual(3);
    executable.run([Float32Array.of(0.1), ...parameters.map(({ gradient }) => Float32Array.from(gradient))]);
    for (const { initial, gradient, storage } of parameters) expectClose(await storage.read(), initial.map((x, i) => x - 0.1 * gradient[i]!), 1e-6);
  });

  test('loops that differ in more than slots and sizes run apart', async () => {
    const builder = new PlanBuilder(), x = builder.input('f32', randoms(12, 3)), outs = [builder.output('f32', 12), builder.output('f32', 12), builder.output('f32', 1)];
    const loop = (out: Slot, value: Expression): LoopKernel => ({ kind: 'loop', name: 'one', space: [12], outer: 1, reductions: [], innerStores: [], outerStores: [{ slot: out, index: at([1]), value }] });
    const sum: LoopKernel = { kind: 'loop', name: 'sum', space: [12], outer: 0, reductions: [{ op: 'sum', level: 0, dtype: 'f32', value: load(x, at([1])) }], innerStores: [], outerStores: [{ slot: outs[2]!, index: at([]), value: { kind: 'reduced', dtype: 'f32', reduction: 0 } }] };
    const [negated, shifted, total] = await builder.run(device, { kind: 'multi', name: 'three', loops: [loop(outs[0]!, { kind: 'unary', op: 'neg', dtype: 'f32', x: load(x, at([1])) }), loop(outs[1]!, { kind: 'binary', op: 'add', dtype: 'f32', x: load(x, at([-1], 11)), y: number(1) }), sum] });
    const data = builder.data[0]!.map(Math.fround);
    expectClose(negated!, data.map((v) => -v), 1e-7);
    expectClose(shifted!, [...data].reverse().map((v) => v + 1), 1e-6);
    expectClose(total!, [data.reduce((a, b) => a + b, 0)], 1e-6);
  });
});

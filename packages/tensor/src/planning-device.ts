/** A device that compiles and never runs: what a program would need, known without its memory. */
import type { DType } from './dtype.js';
import type { Device, Executable, Storage } from './device.js';
import type { Graph } from './graph.js';
import { buildPlan, type PassOptions } from './plan.js';

/**
 * A device like `target`, with its kernels, that only plans: `jit(f, { device }).prepare(…)` and whatever is built on it
 * give the `plan` that the real device would run, and nothing is allocated, however large the tensors are. Variables that
 * were planned with stay there: make the model for it alone.
 * @throws {TypeError} where the target interprets graphs and has no plans.
 */
export function planningDevice(target: Device): Device {
  const { kernelFor } = target;
  if (!kernelFor) throw new TypeError(`planningDevice: the ${target.kind} device has no plans; take wasm or webgpu`);
  const refused = (what: string): never => { throw new Error(`a planning device cannot ${what}; take the device that it plans for`); };
  const device: Device = {
    kind: target.kind, description: `plans for ${target.description}`, dtypes: target.dtypes,
    counters: { bytes: 0, peakBytes: 0, allocations: 0, pipelines: 0, bindGroups: 0, submits: 0, runs: 0 },
    allocate: (dtype: DType, size: number): Storage => ({ device, dtype, size, write: () => {}, read: () => refused('read'), release: () => {} }),
    compile: (graph: Graph, options?: PassOptions): Executable => ({
      plan: buildPlan(graph, { device, fused: (request) => kernelFor.call(target, request) }, options),
      run: () => refused('run'), ready: () => Promise.resolve(), release: () => {},
    }),
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return device;
}

/** One WebAssembly module for a plan: a function a distinct kernel, and `run(thread)` that calls them in order. */
import type { FusedKernel, Kernel, LoopKernel, Plan, Slot } from '@ashlar/tensor';
import { barrier } from './barrier.js';
import { add, call, get, int, mul, named, op, when } from './code.js';
import { compileDot } from './dot.js';
import type { Code } from './encoder.js';
import { ModuleBuilder } from './encoder.js';
import { fusedKernel } from './fused.js';
import type { EmitContext } from './fused.js';
import { controlBytes, scratchBytes } from './layout.js';
import { compileLoop } from './loop.js';
import type { CompiledKernel } from './loop.js';
import { compileScatter } from './scatter.js';

export interface ModuleOptions {
  readonly threads: number;
  readonly sharedMemory: boolean;
  readonly maximumPages: number;
  readonly fusedMultiplyAdd: boolean;
  readonly mainMaySleep: boolean;
}

/** Generates the module's bytes; `address` says where each slot lies. */
export function planModule(plan: Plan, options: ModuleOptions, address: (slot: Slot) => number): Uint8Array<ArrayBuffer> {
  const { threads } = options;
  const module = new ModuleBuilder(options);
  const calls: { compiled: CompiledKernel; barrier: boolean }[] = [];
  let owed = false;
  for (const step of plan.steps) {
    const compiled = compileKernel(module, step.kernel, options);
    owed ||= step.barrier;
    compiled.forEach((one, i) => { calls.push({ compiled: one, barrier: i === 0 ? owed : step.kernel.kind === 'fused' }); });
    if (compiled.length) owed = false;
  }
  const run = module.define('run', ['i32'], [], (f) => {
    const thread = get(f.param(0));
    const scratch = named(f, 'i32', f.body, add(int(controlBytes), mul(thread, int(scratchBytes))));
    const wait = (): Code => (threads > 1 ? barrier(module, threads, options.mainMaySleep, thread) : []);
    let turn = 0;
    calls.forEach(({ compiled, barrier: needed }, i) => {
      if (needed && i > 0) f.body.push(wait());
      const invoke = call(compiled.f, compiled.oneThread ? int(0) : thread, scratch, ...compiled.slots.map((slot) => int(address(slot))));
      f.body.push(compiled.oneThread && threads > 1 ? when(op('i32.eq', thread, int(turn++ % threads)), invoke) : invoke);
    });
    f.body.push(wait());
  });
  module.export('run', run);
  return module.encode();
}

function compileKernel(module: ModuleBuilder, kernel: Kernel, options: ModuleOptions): CompiledKernel[] {
  const list = (compiled: CompiledKernel | undefined): CompiledKernel[] => (compiled ? [compiled] : []);
  switch (kernel.kind) {
    case 'loop': return list(compileLoop(module, kernel, options.threads));
    case 'multi': return kernel.loops.flatMap((loop: LoopKernel) => list(compileLoop(module, loop, options.threads)));
    case 'dot': return list(compileDot(module, kernel, options.threads));
    case 'scatter': return list(compileScatter(module, kernel, options.threads));
    case 'fused': return compileFused(module, kernel, options.threads);
  }
}

function compileFused(module: ModuleBuilder, kernel: FusedKernel, threads: number): CompiledKernel[] {
  const implementation = fusedKernel(kernel.op);
  if (!implementation) throw new Error(`wasm: the plan asks for a kernel of '${kernel.op}', which this backend does not have`);
  const slots: Slot[] = [];
  for (const slot of [...kernel.inputs.map((v) => v.slot), ...kernel.outputs.map((v) => v.slot), ...kernel.scratch, ...implementation.slots?.(kernel) ?? []]) {
    if (!slots.some(({ id }) => id === slot.id)) slots.push(slot);
  }
  const number = (slot: Slot): number => slots.findIndex(({ id }) => id === slot.id);
  const views = [...kernel.inputs, ...kernel.outputs].map((v) => [number(v.slot), v.offset, v.shape, v.strides]);
  const key = `${JSON.stringify([views, slots.map(({ dtype }) => dtype), kernel.scratch.map(number), attributesKey(kernel.attributes, number)])}`;
  const define = (name: string, emit: (context: EmitContext) => void): CompiledKernel => ({
    slots, oneThread: false,
    f: module.once(`${name} ${key}`, () => module.define(name, ['i32', 'i32', ...slots.map(() => 'i32' as const)], [], (builder) => {
      emit({
        module, f: builder, kernel, threads, thread: get(builder.param(0)), scratch: get(builder.param(1)),
        address: (slot) => {
          const at = number(slot);
          if (at < 0) throw new Error(`${kernel.op}: asked for the address of a slot that it did not name`);
          return get(builder.param(at + 2));
        },
      });
    })),
  });
  const finish = implementation.finish?.(kernel);
  return [define(kernel.name, (context) => { implementation.emit(context); }), ...(finish ? [define(`${kernel.name}-finish`, finish)] : [])];
}

/** Attributes as text; slots inside expressions by their number in the function. */
const attributesKey = (attributes: FusedKernel['attributes'], number: (slot: Slot) => number): string =>
  JSON.stringify(attributes, (name, value: unknown) => (name === 'slot' ? number(value as Slot) : typeof value === 'number' ? String(value) : value));

/** What this JavaScript engine can do. */
import { get, op } from './code.js';
import { ModuleBuilder } from './encoder.js';

function accepts(fusedMultiplyAdd: boolean): boolean {
  const module = new ModuleBuilder({ sharedMemory: false, maximumPages: 1, fusedMultiplyAdd });
  module.define('probe', ['v128'], ['v128'], (f) => {
    const x = get(f.param(0));
    f.body.push(fusedMultiplyAdd ? op('f32x4.relaxed_madd', x, x, x) : op('f32x4.mul', x, x));
  });
  return WebAssembly.validate(module.encode());
}

/** Whether vectors of four floats are there; nothing works without. */
export const hasSimd = (): boolean => accepts(false);

/** Whether the fused multiply-add of relaxed SIMD is there. In Node 20 the engine has it behind a flag, which this sets. */
export function hasRelaxedSimd(): boolean {
  if (accepts(true)) return true;
  builtin('node:v8')?.setFlagsFromString('--experimental-wasm-relaxed-simd');
  return accepts(true);
}

/** A module of Node, or undefined elsewhere. */
export function builtin<Name extends 'node:v8' | 'node:os' | 'node:worker_threads'>(name: Name): NodeModules[Name] | undefined {
  const host = (globalThis as { process?: { getBuiltinModule?: (name: string) => unknown; versions?: { node?: string } } }).process;
  return host?.versions?.node ? host.getBuiltinModule?.(name) as NodeModules[Name] | undefined : undefined;
}

interface NodeModules {
  'node:v8': { setFlagsFromString(flag: string): void };
  'node:os': { availableParallelism(): number };
  'node:worker_threads': { Worker: new (source: string, options: { eval: boolean; execArgv: string[]; name: string }) => NodeWorker };
}

/** What the thread pool needs of a worker in Node. */
export interface NodeWorker {
  postMessage(message: unknown): void;
  on(event: 'message' | 'error' | 'exit', listener: (value: unknown) => void): void;
  terminate(): Promise<number>;
  ref(): void;
  unref(): void;
}

/** Processors that this process may use. */
export function availableParallelism(): number {
  const navigator = (globalThis as { navigator?: { hardwareConcurrency?: number } }).navigator;
  return builtin('node:os')?.availableParallelism() ?? navigator?.hardwareConcurrency ?? 1;
}

/** Whether threads can share a memory here (browsers: only on cross-origin isolated pages). */
export function canShareMemory(): boolean {
  const scope = globalThis as { SharedArrayBuffer?: unknown; crossOriginIsolated?: boolean; Worker?: unknown };
  if (typeof scope.SharedArrayBuffer === 'undefined') return false;
  return builtin('node:worker_threads') !== undefined || (scope.crossOriginIsolated === true && typeof scope.Worker !== 'undefined');
}

/** Whether this very thread may sleep on an atomic (a browser's main thread may not). */
export function mayBlock(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0);
    return true;
  } catch {
    return false;
  }
}

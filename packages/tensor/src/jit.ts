/** Compiled functions: traced once for each signature of their arguments, then replayed. */
import type { TypedArray } from './dtype.js';
import type { Device, Executable, Storage } from './device.js';
import type { Graph } from './graph.js';
import { leaf, show, type Node } from './node.js';
import type { Plan } from './kernel.js';
import type { PassOptions } from './plan.js';
import { Tensor } from './tensor.js';
import { TraceScope, withScope } from './variable.js';

/** Arguments and results: tensors in arrays and plain objects; other values are part of the signature. */
export type Tree = Tensor | string | number | boolean | null | undefined | readonly Tree[] | { readonly [key: string]: Tree };

export interface JitOptions {
  readonly device: Device;
  readonly passes?: PassOptions;
  /** For messages. */
  readonly name?: string;
}

export interface Compilation {
  readonly signature: string;
  /** What differs from the compilation before. */
  readonly reason: string;
  readonly milliseconds: number;
}

export interface Jitted<A extends readonly unknown[], R> {
  (...args: A): R;
  /** Every compilation so far, with its reason. */
  readonly compilations: readonly Compilation[];
  /** How often it ran. */
  readonly count: number;
  /** The plan of the last run. Undefined before the first, and on the reference device. */
  readonly plan: Plan | undefined;
  /** Compiles for these arguments without running. */
  prepare(...args: A): void;
  /** Resolves when at most one run is under way. */
  ready(): Promise<void>;
  /** Releases compiled plans. */
  release(): void;
}

interface Compiled { readonly executable: Executable; readonly rebuild: (outputs: readonly Tensor[]) => unknown; readonly shapes: readonly { shape: readonly number[]; dtype: Tensor['dtype'] }[] }

const storages = new FinalizationRegistry<Storage>((storage) => storage.release());

/** Takes a tree apart: its tensors in order, a description of the rest, and the way back. */
function flattenTree(tree: unknown): { tensors: Tensor[]; signature: string; rebuild: (tensors: readonly Tensor[]) => unknown } {
  const tensors: Tensor[] = [];
  const walk = (value: unknown): { signature: string; rebuild: (tensors: readonly Tensor[]) => unknown } => {
    if (value instanceof Tensor) {
      const index = tensors.push(value) - 1;
      return { signature: `${value.dtype}${show(value.shape)}`, rebuild: (list) => list[index] };
    }
    if (Array.isArray(value)) {
      const parts = value.map(walk);
      return { signature: `[${parts.map((part) => part.signature).join(', ')}]`, rebuild: (list) => parts.map((part) => part.rebuild(list)) };
    }
    if (value !== null && typeof value === 'object') {
      const prototype: unknown = Object.getPrototypeOf(value);
      if (prototype !== Object.prototype && prototype !== null) throw new TypeError(`jit: arguments and results are tensors, plain objects, arrays and plain values; got a ${value.constructor.name}`);
      const parts = Object.entries(value).map(([key, inner]) => [key, walk(inner)] as const);
      return { signature: `{ ${parts.map(([key, part]) => `${key}: ${part.signature}`).join(', ')} }`, rebuild: (list) => Object.fromEntries(parts.map(([key, part]) => [key, part.rebuild(list)])) };
    }
    if (typeof value === 'function' || typeof value === 'symbol') throw new TypeError(`jit: a ${typeof value} cannot be an argument or result`);
    return { signature: typeof value === 'string' ? JSON.stringify(value) : Object.is(value, -0) ? '-0' : String(value), rebuild: () => value };
  };
  const whole = walk(tree);
  return { tensors, ...whole };
}

/** The graph of `f` at arguments of these shapes; its result, taken apart. */
function traceTree(f: (...args: never) => unknown, args: { readonly tensors: readonly Tensor[]; rebuild(tensors: readonly Tensor[]): unknown }, name: string): { graph: Graph; outputs: ReturnType<typeof flattenTree> } {
  const scope = new TraceScope();
  const inputs = args.tensors.map((tensor, index): Node => leaf({ kind: 'input', index }, tensor.shape, tensor.dtype));
  const result = withScope(scope, () => f(...(args.rebuild(inputs.map((input) => new Tensor(input))) as never)));
  if (result instanceof Promise) throw new TypeError(`${name}: the function must not be async`);
  const outputs = flattenTree(result);
  return { graph: { inputs, outputs: outputs.tensors.map(({ node }) => node), updates: [...scope.updates].map(([variable, value]) => ({ variable, value })) }, outputs };
}

/**
 * The graph that `jit` would compile for these arguments, of which only shapes, dtypes and plain values matter. `result`
 * is what `f` gave: its tensors are the graph's outputs, in the order in which they stand in it.
 */
export function trace<A extends readonly unknown[], R>(f: (...args: A) => R, ...args: A): { readonly graph: Graph; readonly result: R } {
  const { graph, outputs } = traceTree(f, flattenTree(args), 'trace');
  return { graph, result: outputs.rebuild(outputs.tensors) as R };
}

/**
 * `f`, compiled. The first call with a new signature (shapes, dtypes and plain values of the arguments) traces `f` and
 * compiles; later calls replay. Variables that `f` reads or assigns are bound to the plan; assignments happen in place.
 */
export function jit<A extends readonly unknown[], R>(f: (...args: A) => R, options: JitOptions): Jitted<A, R> {
  const cache = new Map<string, Compiled>(), compilations: Compilation[] = [];
  let last: Compiled | undefined, count = 0;

  const compile = (args: A): { compiled: Compiled; tensors: Tensor[] } => {
    const { tensors, signature, rebuild } = flattenTree(args);
    let compiled = cache.get(signature);
    if (!compiled) {
      const start = performance.now(), { graph, outputs } = traceTree(f, { tensors, rebuild }, options.name ?? 'jit');
      const executable = options.device.compile(graph, options.passes);
      compiled = { executable, rebuild: outputs.rebuild, shapes: outputs.tensors.map(({ shape, dtype }) => ({ shape, dtype })) };
      cache.set(signature, compiled);
      const before = compilations.at(-1);
      compilations.push({ signature, reason: before ? `arguments changed from ${before.signature} to ${signature}` : 'first call', milliseconds: performance.now() - start });
    }
    return { compiled, tensors };
  };

  const call = (...args: A): R => {
    const { compiled, tensors } = compile(args);
    last = compiled;
    count++;
    const outputs = compiled.executable.run(tensors.map((tensor) => contentsOf(tensor, options.device)));
    return compiled.rebuild(outputs.map((storage, i) => {
      const node = leaf({ kind: 'storage', storage }, compiled.shapes[i]!.shape, compiled.shapes[i]!.dtype);
      storages.register(node, storage);
      return new Tensor(node);
    })) as R;
  };
  return Object.defineProperties(call, {
    compilations: { get: () => compilations },
    count: { get: () => count },
    plan: { get: () => last?.executable.plan },
    prepare: { value: (...args: A) => void (last = compile(args).compiled) },
    ready: { value: () => last?.executable.ready() ?? Promise.resolve() },
    release: { value: () => { for (const { executable } of cache.values()) executable.release(); cache.clear(); last = undefined; } },
  }) as unknown as Jitted<A, R>;
}

/** What an argument holds; a tensor not computed yet is computed now. */
function contentsOf(tensor: Tensor, device: Device): TypedArray | Storage {
  const { op } = tensor.node;
  if (op.kind === 'leaf' && op.source.kind === 'data') return op.source.data;
  if (op.kind === 'leaf' && op.source.kind === 'storage') return op.source.storage;
  const executable = device.compile({ inputs: [], outputs: [tensor.node], updates: [] });
  const [output] = executable.run([]);
  storages.register(tensor, output!);
  return output!;
}

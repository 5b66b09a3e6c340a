/**
 * A device that compiles graphs to plans like a real backend and interprets the kernels in plain f64 loops over one
 * poisoned memory. It judges the passes: what it computes must equal the reference device's, which knows no plans.
 */
import { decode, encode, type DType, type TypedArray } from '../dtype.js';
import type { Device, DeviceCounters, Executable, Storage } from '../device.js';
import type { Graph } from '../graph.js';
import type { Expression, Index, Kernel, Plan, Slot, Store, View } from '../kernel.js';
import { buildPlan, type PassOptions } from '../plan.js';

class PlanStorage implements Storage {
  readonly data: Float64Array;
  constructor(readonly device: Device, readonly dtype: DType, readonly size: number) { this.data = new Float64Array(size).fill(NaN); }
  write(data: TypedArray): void { this.data.set(decode(this.dtype, data)); }
  async read(): Promise<TypedArray> { return encode(this.dtype, this.data); }
  release(): void {}
}

export class PlanDevice implements Device {
  readonly kind = 'reference';
  readonly description = 'plan interpreter';
  readonly dtypes: ReadonlySet<DType> = new Set<DType>(['f32', 'f16', 'i32', 'u32', 'bool']);
  readonly counters: DeviceCounters = { bytes: 0, peakBytes: 0, allocations: 0, pipelines: 0, bindGroups: 0, submits: 0, runs: 0 };
  /** `mutate` changes plans before they run: the conformance kit is tested with plans that are wrong. */
  constructor(readonly passes: PassOptions = {}, readonly mutate: (plan: Plan) => Plan = (plan) => plan) {}
  allocate(dtype: DType, size: number): PlanStorage { return new PlanStorage(this, dtype, size); }
  compile(graph: Graph, options?: PassOptions): Executable {
    const plan = this.mutate(buildPlan(graph, { device: this, fused: () => undefined }, { ...this.passes, ...options }));
    return {
      plan,
      run: (inputs) => {
        const outputs = runPlan(plan, inputs.map((input, i) => (ArrayBuffer.isView(input) ? Float64Array.from(decode(plan.inputs[i]!.dtype, input)) : (input as PlanStorage).data)));
        return outputs.map((data, i) => { const storage = this.allocate(plan.outputs[i]!.dtype, data.length); storage.data.set(data); return storage; });
      },
      ready: async () => {},
      release: () => {},
    };
  }
  async close(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

function runPlan(plan: Plan, inputs: Float64Array[]): Float64Array[] {
  // One cell for every 2 bytes of working memory: a slot that overlaps another one that is alive destroys it.
  const work = new Float64Array(plan.workBytes / 2).fill(NaN);
  const outputs = plan.outputs.map((slot) => new Float64Array(slot.size).fill(NaN));
  const constants = new Map(plan.constants.map((slot) => [slot, Float64Array.from(decode(slot.dtype, (slot.place as { data: TypedArray }).data))]));
  const cell = (slot: Slot, position: number): [Float64Array, number] => {
    if (!(position >= 0 && position < slot.size)) throw new Error(`position ${position} is outside slot ${slot.id} of ${slot.size} elements`);
    switch (slot.place.kind) {
      case 'work': return [work, slot.place.offset / 2 + position * (slot.dtype === 'f16' ? 1 : 2)];
      case 'input': return [inputs[slot.place.index]!, position];
      case 'output': return [outputs[slot.place.index]!, position];
      case 'state': return [(slot.place.storage as PlanStorage).data, position];
      case 'constant': return [constants.get(slot)!, position];
    }
  };
  const load = (slot: Slot, position: number): number => { const [data, at] = cell(slot, position); return data[at]!; };
  for (const step of plan.steps) runKernel(step.kernel, load, (slot, position, value) => { const [data, at] = cell(slot, position); data[at] = value; });
  return outputs;
}

type Load = (slot: Slot, position: number) => number;
type Save = (slot: Slot, position: number, value: number) => void;

function* points(space: readonly number[]): Generator<number[]> {
  if (space.includes(0)) return;
  const point = space.map(() => 0);
  for (;;) {
    yield point;
    let axis = space.length - 1;
    while (axis >= 0 && ++point[axis]! === space[axis]) point[axis--] = 0;
    if (axis < 0) return;
  }
}

function runKernel(kernel: Kernel, load: Load, save: Save): void {
  const at = (view: View, index: readonly number[]): number => load(view.slot, view.offset + index.reduce((sum, i, axis) => sum + i * view.strides[axis]!, 0));
  const storeAll = (stores: readonly Store[], point: readonly number[], reduced: readonly number[], accumulator: number): void => {
    const values = stores.map((store) => evaluateExpression(store.value, point, load, reduced, accumulator));
    stores.forEach((store, i) => save(store.slot, evaluateIndex(store.index, point, load, reduced), values[i]!));
  };
  switch (kernel.kind) {
    case 'multi': for (const loop of kernel.loops) runKernel(loop, load, save); return;
    case 'loop': {
      const inner = kernel.space.slice(kernel.outer);
      for (const outer of points(kernel.space.slice(0, kernel.outer))) {
        const reduced: number[] = [];
        const levels = Math.max(-1, ...kernel.reductions.map((reduction) => reduction.level));
        for (let level = 0; level <= levels; level++) {
          kernel.reductions.forEach((reduction, r) => {
            if (reduction.level !== level) return;
            const extreme = reduction.dtype === 'i32' ? 2147483648 : reduction.dtype === 'u32' ? 4294967295 : Infinity;
            let sum = reduction.op === 'sum' ? 0 : reduction.op === 'min' ? extreme : reduction.dtype === 'u32' ? 0 : -extreme;
            for (const point of points(inner)) {
              const value = evaluateExpression(reduction.value, [...outer, ...point], load, reduced, NaN);
              sum = reduction.op === 'sum' ? sum + value : reduction.op === 'max' ? Math.max(sum, value) : Math.min(sum, value);
            }
            reduced[r] = reduction.dtype === 'i32' ? sum | 0 : reduction.dtype === 'u32' ? sum >>> 0 : sum;
          });
        }
        storeAll(kernel.outerStores, outer, reduced, NaN);
        if (kernel.innerStores.length > 0) for (const point of points(inner)) storeAll(kernel.innerStores, [...outer, ...point], reduced, NaN);
      }
      return;
    }
    case 'dot':
      for (const point of points([...kernel.batch, kernel.m, kernel.n])) {
        const batch = point.slice(0, -2), [i, j] = point.slice(-2) as [number, number];
        let sum = 0;
        for (let k = 0; k < kernel.k; k++) sum += at(kernel.a, [...batch, i, k]) * at(kernel.b, [...batch, k, j]);
        storeAll(kernel.stores, point, [], sum);
      }
      return;
    case 'scatter':
      for (const [r, c] of points([kernel.rows, kernel.columns]) as Generator<[number, number]>) save(kernel.out, r * kernel.columns + c, 0);
      for (const [n, c] of points([kernel.count, kernel.columns]) as Generator<[number, number]>) {
        const row = at(kernel.indices, [n]), position = row * kernel.columns + c;
        if (row >= 0 && row < kernel.rows) save(kernel.out, position, load(kernel.out, position) + at(kernel.updates, [n, c]));
      }
      return;
    case 'fused': throw new Error('the plan interpreter has no fused kernels');
  }
}

export function evaluateIndex(index: Index, point: readonly number[], load: Load, reduced: readonly number[]): number {
  return index.terms.reduce((sum, { atom, factor }) => {
    const value = atom.kind === 'loop' ? point[atom.axis]! : atom.kind === 'value' ? evaluateExpression(atom.of, point, load, reduced, NaN)
      : atom.kind === 'div' ? Math.floor(evaluateIndex(atom.of, point, load, reduced) / atom.by) : evaluateIndex(atom.of, point, load, reduced) % atom.by;
    return sum + factor * value;
  }, index.base);
}

export function evaluateExpression(root: Expression, point: readonly number[], load: Load, reduced: readonly number[], accumulator: number): number {
  const memo = new Map<Expression, number>();
  const wrap = (value: number, dtype: DType): number => (dtype === 'i32' ? value | 0 : dtype === 'u32' ? value >>> 0 : value);
  const of = (expression: Expression): number => {
    let value = memo.get(expression);
    if (value === undefined) memo.set(expression, (value = compute(expression)));
    return value;
  };
  const compute = (e: Expression): number => {
    switch (e.kind) {
      case 'constant': return Number(e.value);
      case 'load': return e.guard && !of(e.guard) ? 0 : load(e.slot, evaluateIndex(e.index, point, load, reduced));
      case 'index': return evaluateIndex(e.index, point, load, reduced);
      case 'select': return of(e.test) ? of(e.x) : of(e.y);
      case 'reduced': return reduced[e.reduction]!;
      case 'accumulator': return accumulator;
      case 'cast': return e.dtype === 'bool' ? Number(of(e.x) !== 0) : e.dtype === 'i32' || e.dtype === 'u32' ? wrap(Math.trunc(of(e.x)), e.dtype) : of(e.x);
      case 'bitcast': { const host = encode(e.x.dtype, [of(e.x)]); return (e.dtype === 'f32' ? new Float32Array(host.buffer) : e.dtype === 'i32' ? new Int32Array(host.buffer) : new Uint32Array(host.buffer))[0]!; }
      case 'unary': {
        const x = of(e.x), half = Math.floor(x);
        const table: Record<string, () => number> = {
          neg: () => wrap(-x, e.dtype), abs: () => wrap(Math.abs(x), e.dtype), sign: () => Math.sign(x), exp: () => Math.exp(x), log: () => Math.log(x), sin: () => Math.sin(x), cos: () => Math.cos(x), tanh: () => Math.tanh(x),
          sqrt: () => Math.sqrt(x), rsqrt: () => 1 / Math.sqrt(x), reciprocal: () => 1 / x, floor: () => Math.floor(x), ceil: () => Math.ceil(x),
          round: () => (x - half < 0.5 || (x - half === 0.5 && half % 2 === 0) ? half : half + 1), not: () => (e.dtype === 'bool' ? Number(!x) : wrap(~x, e.dtype)),
          erf: () => { let sum = 0; const steps = 400, end = Math.max(-6, Math.min(6, x)); for (let i = 0; i < steps; i++) { const [a, b, c] = [i, i + 0.5, i + 1].map((j) => Math.exp(-((j * end / steps) ** 2))) as [number, number, number]; sum += (a + 4 * b + c) / 6 * end / steps; } return 2 / Math.sqrt(Math.PI) * sum; },
        };
        return table[e.op]!();
      }
      case 'binary': {
        const x = of(e.x), y = of(e.y), float = e.x.dtype === 'f32' || e.x.dtype === 'f16';
        const table: Record<string, () => number> = {
          add: () => x + y, sub: () => x - y, mul: () => (float ? x * y : Math.imul(x, y)), div: () => (float ? x / y : Math.trunc(x / y)), mod: () => x % y, pow: () => x ** y, max: () => Math.max(x, y), min: () => Math.min(x, y),
          eq: () => Number(x === y), ne: () => Number(x !== y), lt: () => Number(x < y), le: () => Number(x <= y),
          and: () => x & y, or: () => x | y, xor: () => x ^ y, shl: () => x << y, shr: () => (e.dtype === 'u32' ? x >>> y : x >> y),
        };
        return wrap(table[e.op]!(), e.dtype);
      }
    }
  };
  return of(root);
}

/** Plans written by hand, so that the code generator is tested apart from the compiler. */
import type { Expression, Index, Kernel, LoopKernel, Plan, Slot, TypedArray, View } from '@ashlar/tensor';
import { decode, encode } from '@ashlar/tensor';
import type { DType } from '@ashlar/tensor';
import type { WasmDevice } from '../device.js';

let nextSlot = 0;
export const slot = (dtype: DType, size: number, place: Slot['place']): Slot => ({ id: nextSlot++, dtype, size, place });

/** base + Σ factor · axis. */
export const affine = (base: number, ...factors: number[]): Index =>
  ({ base, terms: factors.map((factor, axis) => ({ atom: { kind: 'loop' as const, axis }, factor })).filter((term) => term.factor !== 0) });

export const constant = (value: number, dtype: DType = 'f32'): Expression => ({ kind: 'constant', dtype, value });
export const load = (from: Slot, index: Index, guard?: Expression): Expression =>
  (guard ? { kind: 'load', dtype: from.dtype, slot: from, index, guard } : { kind: 'load', dtype: from.dtype, slot: from, index });
export const binary = (op: Extract<Expression, { kind: 'binary' }>['op'], x: Expression, y: Expression): Expression =>
  ({ kind: 'binary', op, dtype: ['eq', 'ne', 'lt', 'le'].includes(op) ? 'bool' : x.dtype, x, y });
export const unary = (op: Extract<Expression, { kind: 'unary' }>['op'], x: Expression): Expression => ({ kind: 'unary', op, dtype: x.dtype, x });
export const cast = (x: Expression, dtype: DType): Expression => ({ kind: 'cast', dtype, x });
export const reduced = (reduction: number, dtype: DType = 'f32'): Expression => ({ kind: 'reduced', dtype, reduction });

/** A contiguous view of a whole slot. */
export function view(of: Slot, shape: readonly number[], offset = 0): View {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  return { slot: of, offset, shape, strides };
}

/** An element-wise or reducing kernel. */
export const loop = (space: number[], outer: number, parts: Partial<Pick<LoopKernel, 'reductions' | 'outerStores' | 'innerStores'>>): LoopKernel =>
  ({ kind: 'loop', name: 'loop', space, outer, reductions: [], outerStores: [], innerStores: [], ...parts });

export function plan(kernels: readonly Kernel[], slots: { inputs?: readonly Slot[]; outputs?: readonly Slot[]; constants?: readonly Slot[]; workBytes?: number; state?: readonly Slot[] }): Plan {
  return {
    steps: kernels.map((kernel) => ({ kernel, flops: 0, bytes: 0, barrier: true })),
    inputs: slots.inputs ?? [], outputs: slots.outputs ?? [], constants: slots.constants ?? [], state: slots.state ?? [], workBytes: slots.workBytes ?? 0,
    explain: () => '',
  };
}

export const input = (index: number, dtype: DType, size: number): Slot => slot(dtype, size, { kind: 'input', index });
export const output = (index: number, dtype: DType, size: number): Slot => slot(dtype, size, { kind: 'output', index });

/** Compiles, runs once, reads the outputs as numbers and releases everything. */
export async function runOnce(device: WasmDevice, made: Plan, data: readonly TypedArray[]): Promise<(Float32Array | Int32Array | Uint32Array)[]> {
  const executable = device.compilePlan(made);
  const results = executable.run(data);
  const read = await Promise.all(results.map(async (result) => decode(result.dtype, await result.read())));
  for (const result of results) result.release();
  executable.release();
  return read as (Float32Array | Int32Array | Uint32Array)[];
}

/** Numbers in (−1, 1), the same for the same seed; `scale` widens them. */
export function numbers(size: number, seed: number, scale = 1): Float64Array {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Float64Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.fround(scale * ((state >>> 1) / 2 ** 30 - 1));
  });
}

/** The same as f32 or f16 host data, and the numbers that it stands for. */
export function data(dtype: DType, size: number, seed: number, scale = 1): { host: TypedArray; numbers: Float64Array } {
  const host = encode(dtype, numbers(size, seed, scale));
  return { host, numbers: Float64Array.from(decode(dtype, host)) };
}

/** The largest |got − expected| / (1 + |expected|); not-a-number unless both are. */
export function distance(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (got.length !== expected.length) throw new Error(`${got.length} numbers where ${expected.length} were expected`);
  let most = 0;
  for (let i = 0; i < got.length; i++) {
    const a = got[i]!, b = expected[i]!;
    if (Object.is(a, b) || a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
    const d = Math.abs(a - b) / (1 + Math.abs(b));
    if (!(d <= most)) most = d;
    if (Number.isNaN(d)) return NaN;
  }
  return most;
}

/** Both ways of multiplying and adding, alone and on several threads. */
export const variants = [
  { threads: 1, relaxedSimd: false }, { threads: 2, relaxedSimd: false }, { threads: 3, relaxedSimd: true }, { threads: 1, relaxedSimd: true },
] as const;

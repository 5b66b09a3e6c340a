/**
 * Autotuning of matrix products. The few candidates for a class of shapes are run on operands of that shape; one is
 * adopted only if rows of its result agree with f64 on the host, and then the fastest. Choices can be stored and used
 * again on the same adapter with the same kernels.
 */
import { bytesPerElement, encode, type DotKernel, type DType, type Plan, type Slot } from '@ashlar/tensor';
import type { WebgpuDevice } from './device.js';
import { dotCandidates, dotClass } from './dot.js';
import { WebgpuExecutable } from './executable.js';
import { contiguousView, product } from './program.js';
import type { WebgpuStorage } from './storage.js';

/** `off`: the built-in choice. `cached`: choices stored before. `run`: those, and new ones once a function has run first. */
export type Autotune = 'off' | 'cached' | 'run';

/** Where choices are kept between processes: by a key that names adapter, driver and kernels. */
export interface TuningStore {
  load(key: string): Promise<Readonly<Record<string, string>> | undefined>;
  save(key: string, choices: Readonly<Record<string, string>>): Promise<void>;
}

export interface Candidate {
  readonly name: string;
  /** Of one product. */
  readonly milliseconds: number;
  /** Largest |result − f64| / (1 + |f64|) in the sampled rows. */
  readonly error: number;
}

export interface TunedDot {
  /** Layouts, element types and sizes (to the next power of two). */
  readonly shapeClass: string;
  readonly chosen: string;
  readonly candidates: readonly Candidate[];
}

/** Counts up when a dot kernel changes: older choices are then measured anew. */
const kernelVersion = 1;

export const tuningKey = ({ adapter, target }: WebgpuDevice): string =>
  [adapter.vendor, adapter.architecture, adapter.name, target.adapterClass, `kernels ${kernelVersion}`].join(' | ');

const sampledRows = 4, acceptedError = 1e-4;

/** Tunes every class of products in the plan that has no choice yet. */
export async function tunePlan(device: WebgpuDevice, plan: Plan): Promise<TunedDot[]> {
  const results: TunedDot[] = [];
  for (const { kernel } of plan.steps) {
    if (kernel.kind !== 'dot' || kernel.m * kernel.n * kernel.k * product(kernel.batch) === 0) continue;
    const shapeClass = dotClass(kernel);
    if (device.dotChoices.has(shapeClass)) continue;
    const result = await tuneDot(device, kernel, shapeClass);
    device.dotChoices.set(shapeClass, result.chosen);
    results.push(result);
  }
  return results;
}

async function tuneDot(device: WebgpuDevice, kernel: DotKernel, shapeClass: string): Promise<TunedDot> {
  const { batch, m, n } = kernel, size = product(batch) * m * n;
  const left = fill(device, kernel.a.slot, 1), right = fill(device, kernel.b.slot, 2), result = device.allocate('f32', size);
  try {
    const slotOf = (id: number, storage: WebgpuStorage): Slot => ({ id, dtype: storage.dtype, size: storage.size, place: { kind: 'state', storage } });
    const out = slotOf(2, result), strides = contiguousView(out, [...batch, m, n]).strides;
    const trial: DotKernel = {
      ...kernel, name: 'tuning', a: { ...kernel.a, slot: slotOf(0, left.storage) }, b: { ...kernel.b, slot: slotOf(1, right.storage) },
      stores: [{ slot: out, index: { base: 0, terms: strides.map((factor, axis) => ({ atom: { kind: 'loop', axis }, factor })) }, value: { kind: 'accumulator', dtype: 'f32' } }],
    };
    const candidates: Candidate[] = [];
    for (const name of dotCandidates(device.target, kernel)) {
      result.write(new Float32Array(size).fill(NaN));
      candidates.push(await measure(device, trial, result, name, shapeClass, left.values, right.values));
    }
    const correct = candidates.filter(({ error }) => error <= acceptedError);
    if (correct.length === 0) throw new Error(`no kernel for ${shapeClass} computes the right product on ${device.description}: the driver is faulty, or this package is`);
    const chosen = correct.reduce((best, one) => (one.milliseconds < best.milliseconds ? one : best)).name;
    return { shapeClass, chosen, candidates };
  } finally {
    for (const storage of [left.storage, right.storage, result]) storage.release();
  }
}

/** A storage like the slot, with repeatable numbers in (−1, 1), and those numbers. */
function fill(device: WebgpuDevice, { dtype, size }: { dtype: DType; size: number }, seed: number): { storage: WebgpuStorage; values: ArrayLike<number> } {
  let state = seed;
  const values = Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // Exact in f16 too.
    return ((state >>> 21) - 1024) / 1024;
  });
  const storage = device.allocate(dtype, size);
  storage.write(encode(dtype, values));
  return { storage, values };
}

async function measure(device: WebgpuDevice, kernel: DotKernel, result: WebgpuStorage, name: string, shapeClass: string, a: ArrayLike<number>, b: ArrayLike<number>): Promise<Candidate> {
  const storages = [kernel.a.slot, kernel.b.slot, kernel.stores[0]!.slot];
  const bytes = storages.reduce((sum, slot) => sum + slot.size * bytesPerElement(slot.dtype), 0);
  const plan = (repeats: number): Plan => ({ steps: Array.from({ length: repeats }, () => ({ kernel, flops: 0, bytes, barrier: true })), inputs: [], outputs: [], constants: [], state: storages, workBytes: 0, explain: () => 'tuning' });
  const target = { ...device.target, dotChoices: new Map([[shapeClass, name]]) };
  const timed = async (repeats: number): Promise<number> => {
    const executable = new WebgpuExecutable(device, plan(repeats), target);
    executable.run([]);
    await device.submissions.atMost(0);
    const start = performance.now();
    executable.run([]);
    await device.submissions.atMost(0);
    const took = performance.now() - start;
    executable.release();
    return took;
  };
  const once = await timed(1), error = worstError(kernel, a, b, (await result.read()) as Float32Array);
  const repeats = Math.max(1, Math.min(50, Math.round(20 / Math.max(once, 0.1))));
  return { name, error, milliseconds: (await timed(repeats)) / repeats };
}

/** The error of a few rows of the first and the last matrix. */
function worstError({ batch, m, n, k, a, b }: DotKernel, x: ArrayLike<number>, y: ArrayLike<number>, actual: Float32Array): number {
  const axis = batch.length, [aRow, aInner] = [a.strides[axis]!, a.strides[axis + 1]!], [bInner, bColumn] = [b.strides[axis]!, b.strides[axis + 1]!];
  let worst = 0;
  for (const whichBatch of new Set([0, product(batch) - 1])) {
    let rest = whichBatch, aAt = a.offset, bAt = b.offset;
    for (let i = axis - 1; i >= 0; i--) { aAt += (rest % batch[i]!) * a.strides[i]!; bAt += (rest % batch[i]!) * b.strides[i]!; rest = Math.floor(rest / batch[i]!); }
    for (let sample = 0; sample < Math.min(sampledRows, m); sample++) {
      const row = Math.floor((sample * (m - 1)) / Math.max(1, Math.min(sampledRows, m) - 1));
      for (let column = 0; column < n; column++) {
        let sum = 0;
        for (let p = 0; p < k; p++) sum += x[aAt + row * aRow + p * aInner]! * y[bAt + p * bInner + column * bColumn]!;
        const error = Math.abs(actual[(whichBatch * m + row) * n + column]! - sum) / (1 + Math.abs(sum));
        if (!(error <= worst)) worst = Number.isNaN(error) ? Infinity : error;
      }
    }
  }
  return worst;
}

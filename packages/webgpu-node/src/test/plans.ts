/** Hand-made plans of one kernel, and numbers to fill them with. */
import { bytesPerElement, decode, encode, type DType, type Expression, type Index, type Kernel, type Plan, type Slot, type Storage } from '@ashlar/tensor';
import type { WebgpuDevice } from '@ashlar/webgpu';

/** Repeatable numbers in (−1, 1). */
export function randoms(count: number, seed = 1): number[] {
  let state = seed * 2654435761 >>> 0 || 1;
  return Array.from({ length: count }, () => {
    state ^= state << 13; state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5; state >>>= 0;
    return (state / 2 ** 32) * 2 - 1;
  });
}

export class PlanBuilder {
  readonly inputs: Slot[] = [];
  readonly outputs: Slot[] = [];
  readonly constants: Slot[] = [];
  readonly state: Slot[] = [];
  readonly data: number[][] = [];
  #ids = 0;
  #work = 0;

  input(dtype: DType, data: number[]): Slot {
    const slot: Slot = { id: this.#ids++, dtype, size: data.length, place: { kind: 'input', index: this.inputs.length } };
    this.inputs.push(slot);
    this.data.push(data);
    return slot;
  }

  output(dtype: DType, size: number): Slot {
    const slot: Slot = { id: this.#ids++, dtype, size, place: { kind: 'output', index: this.outputs.length } };
    this.outputs.push(slot);
    return slot;
  }

  work(dtype: DType, size: number): Slot {
    const slot: Slot = { id: this.#ids++, dtype, size, place: { kind: 'work', offset: this.#work } };
    this.#work += Math.max(1, Math.ceil((size * bytesPerElement(dtype)) / 256)) * 256;
    return slot;
  }

  constant(dtype: DType, data: number[]): Slot {
    const slot: Slot = { id: this.#ids++, dtype, size: data.length, place: { kind: 'constant', data: encode(dtype, data) } };
    this.constants.push(slot);
    return slot;
  }

  stateOf(storage: Storage): Slot {
    const slot: Slot = { id: this.#ids++, dtype: storage.dtype, size: storage.size, place: { kind: 'state', storage } };
    this.state.push(slot);
    return slot;
  }

  plan(...kernels: Kernel[]): Plan {
    return {
      steps: kernels.map((kernel) => ({ kernel, flops: 0, bytes: 0, barrier: true })),
      inputs: this.inputs, outputs: this.outputs, constants: this.constants, state: this.state, workBytes: this.#work, explain: () => '',
    };
  }

  /** Compiles, runs once and reads every output. */
  async run(device: WebgpuDevice, ...kernels: Kernel[]): Promise<number[][]> {
    const executable = device.compilePlan(this.plan(...kernels));
    const outputs = executable.run(this.inputs.map((slot, i) => encode(slot.dtype, this.data[i]!)));
    try {
      return await Promise.all(outputs.map(async (storage) => Array.from(decode(storage.dtype, await storage.read()))));
    } finally {
      for (const storage of outputs) storage.release();
      executable.release();
    }
  }
}

/** Σ factors[i] · loop axis i + base. */
export const at = (factors: readonly number[], base = 0): Index => ({
  base, terms: factors.flatMap((factor, axis) => (factor === 0 ? [] : [{ atom: { kind: 'loop' as const, axis }, factor }])),
});

export const strides = (shape: readonly number[]): number[] => {
  const out: number[] = [];
  shape.reduceRight((stride, size, axis) => { out[axis] = stride; return stride * size; }, 1);
  return out;
};

export const load = (slot: Slot, index: Index, guard?: Expression): Expression => ({ kind: 'load', dtype: slot.dtype, slot, index, ...(guard && { guard }) });
export const number = (value: number, dtype: DType = 'f32'): Expression => ({ kind: 'constant', dtype, value });

/** Throws with the place and values of the worst difference above `tolerance` · (1 + |expected|). NaN equals NaN. */
export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what = ''): void {
  if (actual.length !== expected.length) throw new Error(`${what}: ${actual.length} values, expected ${expected.length}`);
  let worst = -1, worstError = 0;
  for (let i = 0; i < expected.length; i++) {
    const a = actual[i]!, e = expected[i]!;
    if (Object.is(a, e) || a === e || (Number.isNaN(a) && Number.isNaN(e))) continue;
    const error = Math.abs(a - e) / (1 + Math.abs(e));
    if (!(error <= tolerance) && !(error <= worstError)) { worst = i; worstError = Number.isNaN(error) ? Infinity : error; }
  }
  if (worst >= 0) throw new Error(`${what}: element ${worst} is ${actual[worst]}, expected ${expected[worst]} (error ${worstError.toExponential(2)})`);
}

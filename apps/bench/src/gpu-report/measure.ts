/** Checks a kernel of a WebGPU device against the f64 interpreter, then times it; who is wrong gets no time. */
import { median } from 'simple-statistics';
import { jit, type Plan, type Tensor, type TypedArray } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { profile, type WebgpuDevice, type WebgpuExecutable } from '@ashlar/webgpu';
import type { GemmShape } from '../gemm/shapes.js';
import type { Rates } from './gpus.js';
import { numbers, type KernelCase, type Size } from './cases.js';
import { lowerBoundMs } from './roofline.js';

/** What was found of a kernel, or of one candidate for a matrix product. */
export interface Finding {
  readonly name: string;
  /** Largest |result − f64| / (1 + the largest |f64|); absent where it did not run. */
  readonly error?: number;
  /** Why it has no time. */
  readonly problem?: string;
  readonly milliseconds?: number;
  readonly flops?: number;
  readonly bytes?: number;
  readonly boundMs?: number;
  /** Whether tuning would take this candidate. */
  readonly chosen?: boolean;
}

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function worstError(device: WebgpuDevice, { run, inputs }: KernelCase): Promise<number> {
  const [got, expected] = await Promise.all([device, reference()].map(async (on) => {
    const compiled = jit((...of: Tensor[]) => run(...of), { device: on });
    try { return await Promise.all(compiled(...inputs('check')).map((one) => one.data())); } finally { compiled.release(); }
  })) as [TypedArray[], TypedArray[]];
  return Math.max(...expected.map((values, i) => {
    let largest = 0, worst = 0;
    for (const value of values) largest = Math.max(largest, Math.abs(value));
    values.forEach((value, j) => { const error = Math.abs(value - got[i]![j]!); if (!(error <= worst)) worst = Number.isNaN(error) ? Infinity : error; });
    return worst / (1 + largest);
  }));
}

/** Milliseconds of one run of a compiled plan: by the device's clock where it has one, else until the host knows of its end. */
export async function timePlan(device: WebgpuDevice, plan: Plan, inputs: readonly TypedArray[], rounds: number): Promise<number> {
  const executable = device.compilePlan(plan) as WebgpuExecutable, times: number[] = [];
  try {
    executable.run(inputs);
    await device.submissions.atMost(0);
    for (let round = 0; round < rounds; round++) {
      if (device.gpu.features.has('timestamp-query')) times.push((await profile(executable)).reduce((sum, { milliseconds }) => sum + milliseconds, 0));
      else {
        const start = performance.now();
        executable.run(inputs);
        await device.submissions.atMost(0);
        times.push(performance.now() - start);
      }
    }
    return median(times);
  } finally { executable.release(); }
}

/** Checks and times one case. What goes wrong is told in the finding. */
export async function measureKernel(device: WebgpuDevice, one: KernelCase, size: Exclude<Size, 'check'>, rates: Rates, rounds: number): Promise<Finding> {
  const { name, tolerance, run } = one;
  let error: number | undefined;
  try {
    error = await worstError(device, one);
    if (!(error <= tolerance)) return { name, error, problem: `it is off by ${error.toExponential(1)}, allowed is ${tolerance.toExponential(0)}` };
    const inputs = one.inputs(size), compiled = jit((...of: Tensor[]) => run(...of), { device });
    try {
      compiled.prepare(...inputs);
      const plan = compiled.plan!;
      const milliseconds = await timePlan(device, plan, await Promise.all(inputs.map((input) => input.data(device))), rounds);
      return { name, error, milliseconds, flops: plan.steps.reduce((sum, step) => sum + step.flops, 0), bytes: plan.steps.reduce((sum, step) => sum + step.bytes, 0), boundMs: lowerBoundMs(plan.steps, rates) };
    } finally { compiled.release(); }
  } catch (failure) {
    return { name, ...(error !== undefined && { error }), problem: message(failure) };
  }
}

/** Every candidate for a matrix product of this shape, each checked on rows of the product in f64; none where a like shape had them before. */
export async function measureProduct(device: WebgpuDevice, shape: GemmShape, rates: Rates): Promise<Finding[]> {
  const { name, m, k, n, transposeA, transposeB } = shape, label = `product ${name}, ${m}×${k} · ${k}×${n} ${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'}`;
  const flops = 2 * m * k * n, bytes = 4 * (m * k + k * n + m * n), before = device.tuned.length;
  const product = jit((a: Tensor, b: Tensor) => (transposeA ? a.transpose() : a).matmul(transposeB ? b.transpose() : b), { device });
  try {
    product.prepare(numbers(transposeA ? [k, m] : [m, k], 1), numbers(transposeB ? [n, k] : [k, n], 2));
    await device.tune(product.plan!);
    const tuned = device.tuned.slice(before);
    return tuned.flatMap(({ candidates, chosen }) => candidates.map((candidate): Finding => ({
      name: `${label}: ${candidate.name}`, error: candidate.error, flops, bytes, boundMs: lowerBoundMs([{ flops, bytes }], rates), chosen: candidate.name === chosen,
      ...(candidate.error <= 1e-4 ? { milliseconds: candidate.milliseconds } : { problem: 'it is wrong' }),
    })));
  } catch (failure) {
    return [{ name: label, problem: message(failure) }];
  } finally { product.release(); }
}

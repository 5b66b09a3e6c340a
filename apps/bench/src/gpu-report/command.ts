/** `bench gpu-report`: every kernel on a WebGPU adapter, checked and timed, and a training step beside its lower bound, in one file to send back. */
import { plannedFlops, tensor, jit, type Tensor } from '@ashlar/tensor';
import { replaceFile } from '@ashlar/text/node';
import type { WebgpuDevice } from '@ashlar/webgpu';
import { findAdapter, webgpu, type FoundAdapter } from '@ashlar/webgpu-node';
import { shaderFmaRate } from '../gemm/fma-shader.js';
import { gemmShapes } from '../gemm/shapes.js';
import { gateSteps } from '../contestant.js';
import { describeMachine, revisionOf } from '../harness/machine.js';
import { adapterNamed } from '../own/device-options.js';
import { ownTraining } from '../own/training.js';
import { gather } from '../serve.js';
import { stepBatch } from '../steps/batches.js';
import { r0, r1, type StepDefinition } from '../steps/definition.js';
import { objections } from '../steps/gate.js';
import { kernelCases } from './cases.js';
import { gpuNamed, type Rates } from './gpus.js';
import { measureKernel, measureProduct, timePlan } from './measure.js';
import { failures, reportMarkdown, type GpuReport, type StepFinding } from './report.js';
import { lowerBoundMs } from './roofline.js';

export interface GpuReportOptions {
  readonly adapter: string;
  readonly quick?: boolean;
  readonly out: string;
  readonly gpu?: string;
  /** FLOP/s in units of 10¹², bytes a second in units of 10⁹. */
  readonly flops?: number;
  readonly bandwidth?: number;
}

/** The rates of the hardware: of a data sheet, given, or measured here by a bare multiply-add loop and a copy. */
async function ratesOf({ gpu, flops, bandwidth, quick }: GpuReportOptions, found: FoundAdapter, device: WebgpuDevice): Promise<GpuReport['rates']> {
  if (gpu !== undefined && (flops !== undefined || bandwidth !== undefined)) throw new Error('--gpu brings its own rates: give either --gpu, or --flops and --bandwidth');
  if ((flops === undefined) !== (bandwidth === undefined)) throw new Error('--flops and --bandwidth go together: give both, or --gpu with a name, or none and they are measured');
  if (gpu !== undefined) return { source: gpu, ...gpuNamed(gpu) };
  if (flops !== undefined && bandwidth !== undefined) return { source: 'given', flops: flops * 1e12, bandwidth: bandwidth * 1e9 };
  const size = quick ? 1 << 20 : 1 << 24, values = new Float32Array(size).fill(1), copy = jit((x: Tensor) => x.add(1), { device });
  copy.prepare(tensor(values));
  const milliseconds = await timePlan(device, copy.plan!, [values], 5);
  copy.release();
  return { source: 'measured: a bare multiply-add loop, and a copy', flops: 1e9 * await shaderFmaRate(found, 200), bandwidth: 8e3 * size / milliseconds };
}

/** The training step, past the same gate as in the benchmark of its name, timed from end to end. */
async function measureStep(definition: StepDefinition, device: WebgpuDevice, rates: Rates, steps: number): Promise<StepFinding> {
  const { name } = definition;
  try {
    const training = ownTraining(definition, device), { firstStepMs, ...evidence } = await gather(definition, training), problems = objections(name, evidence), plan = training.plan()!;
    const known = { name, firstStepMs, kernels: plan.steps.length, flops: plannedFlops(plan), bytes: plan.steps.reduce((sum, step) => sum + step.bytes, 0), boundMs: lowerBoundMs(plan.steps, rates) };
    if (problems.length > 0) return { ...known, problem: problems.join('; ') };
    const start = performance.now();
    for (let i = 0; i < steps; i++) await training.step(stepBatch(definition, gateSteps + i));
    await training.synchronise();
    return { ...known, milliseconds: (performance.now() - start) / steps };
  } catch (error) {
    return { name, problem: error instanceof Error ? error.message : String(error) };
  }
}

/** Checks, measures, prints a table and writes the file. The exit code is 1 where something is wrong. */
export async function runGpuReport(options: GpuReportOptions): Promise<void> {
  const found = await findAdapter(adapterNamed(options.adapter)), { info, features, limits } = found.adapter, size = options.quick ? 'quick' : 'full', rounds = options.quick ? 3 : 9;
  // Choices of earlier runs would leave candidates out.
  await using device = await webgpu({ adapter: adapterNamed(options.adapter), tuningStore: { load: async () => undefined, save: async () => {} } });
  const rates = await ratesOf(options, found, device);
  const say = (text: string): void => { process.stderr.write(`${text}\n`); };
  const products = [], kernels = [];
  for (const shape of gemmShapes(options.quick ? 256 : 1024).slice(0, options.quick ? 4 : undefined)) {
    say(`product ${shape.name}`);
    products.push(...await measureProduct(device, shape, rates));
  }
  for (const one of kernelCases(device.dtypes.has('f16'))) {
    say(one.name);
    kernels.push(await measureKernel(device, one, size, rates, rounds));
  }
  const steps = [];
  for (const definition of options.quick ? [r0] : [r0, r1]) {
    say(`training step ${definition.name}`);
    steps.push(await measureStep(definition, device, rates, options.quick ? 3 : 20));
  }
  const revision = revisionOf(new URL('.', import.meta.url).pathname), limitNames = Object.keys(Object.getPrototypeOf(limits) as object);
  const report: GpuReport = {
    date: new Date().toISOString(), ...(revision !== undefined && { revision }), size, machine: describeMachine(),
    adapter: {
      ...device.adapter, device: info.device, driver: info.description, origin: found.origin, reason: found.reason,
      features: [...features].sort(), limits: Object.fromEntries(limitNames.map((name) => [name, Number(limits[name as keyof GPUSupportedLimits])])),
    },
    rates, products, kernels, steps,
  };
  replaceFile(options.out, [new TextEncoder().encode(`${JSON.stringify(report, null, 2)}\n`)]);
  process.stdout.write(`${reportMarkdown(report)}\nThe whole report is in ${options.out}: please send it back.\n`);
  if (failures(report).length > 0) process.exitCode = 1;
}

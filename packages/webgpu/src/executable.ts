/** A plan made ready: pipelines and bind groups once, then one encoder, one pass and one submit a run. */
import type { Executable, Kernel, Plan, Slot, Storage, TypedArray } from '@ashlar/tensor';
import type { WebgpuDevice } from './device.js';
import { kernelPrograms } from './kernels.js';
import { alignUp } from './memory.js';
import { PlanMemory } from './plan-memory.js';
import type { Program, Target } from './program.js';
import { encodeMoves, ResultRing, type Move } from './result-ring.js';
import { byteSize, checkData, copyBytes, isWebgpuStorage, WebgpuStorage, type Place } from './storage.js';

interface Dispatch { readonly program: Program; readonly step: number; readonly pipeline: GPUComputePipeline; readonly bindGroup: GPUBindGroup }

export class WebgpuExecutable implements Executable {
  readonly #memory: PlanMemory;
  dispatches: readonly Dispatch[];
  readonly #ring: ResultRing;
  #runs = 0;
  #tuned = false;
  #released = false;

  /** `target`: what kernels are chosen by, where that is not what the device says. */
  constructor(readonly device: WebgpuDevice, readonly plan: Plan, target: Target = device.target) {
    for (const slot of [...plan.inputs, ...plan.outputs, ...plan.constants, ...plan.state]) device.requireDtype(slot.dtype);
    this.#memory = new PlanMemory(device.memory, device.submissions, plan);
    const programs = plan.steps.map(({ kernel }) => this.#programs(kernel, target));
    this.#memory.seal();
    this.dispatches = programs.flatMap((made, step) => made.map((program) => this.#dispatch(program, step)));
    this.#ring = new ResultRing(device, plan.outputs);
    finalizer.register(this, { device, memory: this.#memory, ring: this.#ring }, this);
  }

  #programs(kernel: Kernel, target: Target): readonly Program[] {
    const { locate, temporary, table } = this.#memory;
    const programs = kernelPrograms({ target, locate, temporary, table }, kernel, this.device.fused);
    this.#memory.endKernel();
    return programs;
  }

  #dispatch(program: Program, step: number): Dispatch {
    const { pipelines } = this.device;
    return { program, step, pipeline: pipelines.pipeline(program), bindGroup: pipelines.bindGroup(program) };
  }

  /** Measures the products of this plan that were not measured yet and takes the kernels chosen for them. */
  async #tune(): Promise<void> {
    const { device, plan } = this;
    await device.submissions.atMost(0);
    if (this.#released || !(await device.tune(plan))) return;
    const other = plan.steps.map(({ kernel }, step) => (kernel.kind === 'dot' ? this.#programs(kernel, device.target).map((program) => this.#dispatch(program, step)) : undefined));
    this.dispatches = plan.steps.flatMap((_, step) => other[step] ?? this.dispatches.filter((dispatch) => dispatch.step === step));
  }

  run(inputs: readonly (TypedArray | Storage)[]): Storage[] {
    this.#check();
    const { device, plan } = this;
    if (inputs.length !== plan.inputs.length) throw new RangeError(`this function takes ${plan.inputs.length} inputs, got ${inputs.length}`);
    const { bytes, copies } = this.#gather(inputs);
    const run = this.#runs++;
    const results = plan.outputs.map((slot, i) => this.#result(slot, i, run));
    device.submissions.enqueue(() => {
      const { gpu } = device, target = this.#memory.inputs.holder.gpu;
      if (bytes && target) gpu.queue.writeBuffer(target, 0, bytes);
      const encoder = gpu.createCommandEncoder();
      for (const { place, offset, size } of copies) encoder.copyBufferToBuffer(place.buffer, place.offset, target!, offset, size);
      for (const { moves } of results) encodeMoves(encoder, moves);
      const pass = encoder.beginComputePass();
      for (const { pipeline, bindGroup, program } of this.dispatches) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindGroup);
        pass.dispatchWorkgroups(...program.workgroups);
      }
      pass.end();
      results.forEach(({ target: place }, i) => {
        const size = copyBytes(plan.outputs[i]!);
        if (size > 0) encoder.copyBufferToBuffer(this.#memory.outputs.holder.gpu!, this.#memory.outputs.offsets[i]!, place.buffer, place.offset, size);
      });
      device.submissions.launch(encoder);
      gpu.queue.submit([encoder.finish()]);
      device.counters.submits++;
      device.counters.runs++;
    }, true);
    return results.map(({ storage }) => storage);
  }

  /** Copies host inputs into one array for one write; storages are copied on the device. */
  #gather(inputs: readonly (TypedArray | Storage)[]): { bytes: Uint8Array<ArrayBuffer> | undefined; copies: { place: Place; offset: number; size: number }[] } {
    const { offsets, total } = this.#memory.inputs;
    const copies: { place: Place; offset: number; size: number }[] = [];
    let bytes: Uint8Array<ArrayBuffer> | undefined;
    inputs.forEach((input, i) => {
      const slot = this.plan.inputs[i]!;
      if (ArrayBuffer.isView(input)) {
        checkData(`input ${i}`, slot.dtype, slot.size, input);
        bytes ??= new Uint8Array(alignUp(total, 4));
        bytes.set(new Uint8Array(input.buffer, input.byteOffset, input.byteLength), offsets[i]!);
        return;
      }
      if (!isWebgpuStorage(input) || input.device !== this.device) throw new TypeError(`input ${i} is a storage of another device (${input.device.description}); read it and pass the data`);
      if (input.dtype !== slot.dtype || input.size !== slot.size) throw new RangeError(`input ${i} takes ${slot.size} × ${slot.dtype}, got a storage of ${input.size} × ${input.dtype}`);
      if (slot.size > 0) copies.push({ place: input.place(), offset: offsets[i]!, size: copyBytes(slot) });
    });
    return { bytes, copies };
  }

  #result(slot: Slot, index: number, run: number): { readonly storage: Storage; readonly target: Place; readonly moves: readonly Move[] } {
    const { device } = this, small = this.#ring.take(index, run);
    if (small) return { ...small, target: small.storage.place() };
    const block = device.memory.allocate(byteSize(slot.dtype, slot.size), slot.dtype === 'f16');
    return { storage: new WebgpuStorage(device, slot.dtype, slot.size, block), target: { buffer: block.buffer.gpu, offset: block.offset }, moves: [] };
  }

  async ready(): Promise<void> {
    this.#check();
    if (this.device.autotune === 'run' && !this.#tuned) {
      this.#tuned = true;
      await this.#tune();
    }
    await this.device.submissions.atMost(1);
    this.#check();
  }

  #check(): void {
    this.device.check();
    if (this.#released) throw new Error('this compiled function was released');
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    finalizer.unregister(this);
    freeLater({ device: this.device, memory: this.#memory, ring: this.#ring });
  }
}

interface Held { readonly device: WebgpuDevice; readonly memory: PlanMemory; readonly ring: ResultRing }

/** Gives the memory of a plan back, after everything enqueued so far. */
function freeLater({ device, memory, ring }: Held): void {
  ring.release();
  device.submissions.enqueue(() => memory.release());
}

/** The safety net for plans that nobody released. */
const finalizer = new FinalizationRegistry<Held>(freeLater);

/** Compiles a plan for a device. */
export const compilePlan = (device: WebgpuDevice, plan: Plan): WebgpuExecutable => new WebgpuExecutable(device, plan);


/** Where the slots of a plan lie: the plan's own buffers, and the storages it reads and writes in place. */
import { bytesPerElement, type DType, type Plan, type Slot } from '@ashlar/tensor';
import type { BufferHolder, Region } from './bindings.js';
import { OutOfMemoryError } from './errors.js';
import { alignUp, usage, type Memory } from './memory.js';
import { asBytes, byteSize, RingStorage, WebgpuStorage } from './storage.js';
import type { Submissions } from './submission.js';

const bytesOf = (slot: Slot): number => slot.size * bytesPerElement(slot.dtype);

/** Lays slots one after another; returns offsets and the total. */
function pack(slots: readonly Slot[]): { offsets: number[]; total: number } {
  let total = 0;
  const offsets = slots.map((slot) => { const at = total; total += alignUp(Math.max(bytesOf(slot), 16)); return at; });
  return { offsets, total };
}

export class PlanMemory {
  readonly inputs: { readonly offsets: readonly number[]; readonly total: number; readonly holder: BufferHolder };
  readonly outputs: { readonly offsets: readonly number[]; readonly total: number; readonly holder: BufferHolder };
  readonly #owned: GPUBuffer[] = [];
  readonly #work: { readonly from: number; readonly to: number; readonly holder: BufferHolder }[] = [];
  readonly #constants = new Map<number, Region>();
  readonly #copies = new Map<RingStorage, Region>();
  readonly #scratch: BufferHolder = {};
  #scratchBytes = 0;
  #scratchTop = 0;
  #temporaries = -1;
  readonly #temporaryRegions = new Map<number, Region>();

  constructor(readonly memory: Memory, readonly submissions: Submissions, plan: Plan) {
    this.inputs = this.#packed(plan.inputs, 'inputs');
    this.outputs = this.#packed(plan.outputs, 'outputs');
    const constants = this.#packed(plan.constants, 'constants');
    plan.constants.forEach((slot, i) => {
      if (slot.place.kind !== 'constant') throw new Error('internal: a constant slot without data');
      const region: Region = { buffer: constants.holder, offset: constants.offsets[i]!, bytes: bytesOf(slot) };
      this.#constants.set(slot.id, region);
      if (slot.size > 0) memory.device.queue.writeBuffer(constants.holder.gpu!, region.offset, asBytes(slot.place.data));
    });
    this.#allocateWork(plan);
  }

  #packed(slots: readonly Slot[], label: string): { offsets: number[]; total: number; holder: BufferHolder } {
    const { offsets, total } = pack(slots);
    return { offsets, total, holder: { ...(total > 0 && { gpu: this.#own(total, label) }) } };
  }

  #own(bytes: number, label: string): GPUBuffer {
    const buffer = this.memory.buffer(bytes, usage.storage | usage.copySource | usage.copyTarget, label);
    this.#owned.push(buffer);
    return buffer;
  }

  /** One buffer, or, where the adapter's buffers are too small for that, several cut where no slot lies across. */
  #allocateWork(plan: Plan): void {
    if (plan.workBytes === 0) return;
    const { maxBufferSize } = this.memory.device.limits, total = alignUp(plan.workBytes);
    if (total <= maxBufferSize) { this.#work.push({ from: 0, to: total, holder: { gpu: this.#own(total, 'work memory') } }); return; }
    const slots = workSlots(plan).map((slot) => {
      const from = slot.place.kind === 'work' ? slot.place.offset : 0;
      return { from, to: from + alignUp(bytesOf(slot)) };
    }).sort((a, b) => a.from - b.from);
    let from = 0, to = 0, cut = 0;
    const flush = (end: number): void => {
      if (end > from) this.#work.push({ from, to: end, holder: { gpu: this.#own(end - from, 'work memory') } });
      from = end;
    };
    for (const slot of slots) {
      if (slot.from >= to) cut = slot.from; // no slot lies across this offset
      to = Math.max(to, slot.to);
      if (to - from > maxBufferSize) {
        flush(cut);
        if (to - from > maxBufferSize) throw new OutOfMemoryError(to - from, maxBufferSize, 'the working memory of a compiled function');
      }
    }
    flush(to);
  }

  locate = (slot: Slot): Region => {
    const { place } = slot, bytes = bytesOf(slot);
    switch (place.kind) {
      case 'work': {
        const temporary = this.#temporaryRegions.get(slot.id);
        if (temporary) return temporary;
        const part = this.#work.find(({ from, to }) => place.offset >= from && place.offset < to);
        if (!part) throw new Error(`internal: work slot ${slot.id} at ${place.offset} is outside the working memory`);
        return { buffer: part.holder, offset: place.offset - part.from, bytes };
      }
      case 'input': return { buffer: this.inputs.holder, offset: this.inputs.offsets[place.index]!, bytes };
      case 'output': return { buffer: this.outputs.holder, offset: this.outputs.offsets[place.index]!, bytes };
      case 'constant': {
        const region = this.#constants.get(slot.id);
        if (!region) throw new Error(`internal: constant slot ${slot.id} is not among the plan's constants`);
        return region;
      }
      case 'state': {
        const { storage } = place;
        if (storage instanceof RingStorage) return this.#copyOf(storage);
        if (!(storage instanceof WebgpuStorage)) throw new Error(`a state storage is on another device (${storage.device.description})`);
        return storage.region();
      }
    }
  };

  /** A small result that this plan reads: its place in the ring will be written again, so the plan keeps a copy. */
  #copyOf(storage: RingStorage): Region {
    let region = this.#copies.get(storage);
    if (!region) {
      const bytes = byteSize(storage.dtype, storage.size), gpu = this.#own(bytes, 'copy of a small result'), source = storage.place();
      this.submissions.enqueue(() => {
        const encoder = this.memory.device.createCommandEncoder();
        encoder.copyBufferToBuffer(source.buffer, source.offset, gpu, 0, Math.ceil(bytes / 4) * 4);
        this.memory.device.queue.submit([encoder.finish()]);
        this.memory.counters.submits++;
      });
      region = { buffer: { gpu }, offset: 0, bytes };
      this.#copies.set(storage, region);
    }
    return region;
  }

  /** Memory for the dispatches of one kernel. */
  temporary = (dtype: DType, size: number): Slot => {
    const slot: Slot = { id: this.#temporaries--, dtype, size, place: { kind: 'work', offset: 0 } };
    const bytes = bytesOf(slot);
    this.#temporaryRegions.set(slot.id, { buffer: this.#scratch, offset: this.#scratchTop, bytes });
    this.#scratchTop += alignUp(Math.max(bytes, 16));
    this.#scratchBytes = Math.max(this.#scratchBytes, this.#scratchTop);
    return slot;
  };

  /** Data that a kernel looks things up in. */
  table = (data: Uint32Array<ArrayBuffer>): Region => {
    const gpu = this.#own(data.byteLength, 'table');
    this.memory.device.queue.writeBuffer(gpu, 0, data);
    return { buffer: { gpu }, offset: 0, bytes: data.byteLength };
  };

  /** The next kernel's temporaries may lie over the last one's. */
  endKernel(): void { this.#scratchTop = 0; }

  /** All kernels are known: makes the buffer of temporaries. */
  seal(): void { if (this.#scratchBytes > 0) this.#scratch.gpu = this.#own(this.#scratchBytes, 'temporaries'); }

  release(): void {
    for (const buffer of this.#owned) this.memory.destroy(buffer);
    this.#owned.length = 0;
  }
}

/** Every work slot that a kernel of the plan touches. */
function workSlots(plan: Plan): Slot[] {
  const found = new Map<number, Slot>(), seen = new Set<object>();
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    seen.add(value);
    const slot = value as Partial<Slot>;
    if (typeof slot.id === 'number' && slot.place) { if (slot.place.kind === 'work') found.set(slot.id, value as Slot); return; }
    for (const part of Object.values(value)) walk(part);
  };
  for (const step of plan.steps) walk(step.kernel);
  return [...found.values()];
}

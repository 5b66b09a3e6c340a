/** Reads: a copy into a mappable buffer in queue order, then a wait for it. The buffers are kept and used again. */
import { bytesPerElement, hostArray, type DType, type TypedArray } from '@ashlar/tensor';
import type { WebgpuDevice } from './device.js';
import { usage } from './memory.js';

const smallest = 256;

export class Readback {
  readonly #free = new Map<number, GPUBuffer[]>();
  /** A buffer for small results is there from the start: the first loss that is read allocates nothing. */
  constructor(readonly device: WebgpuDevice) {
    this.#free.set(smallest, [device.memory.buffer(smallest, usage.mapRead | usage.copyTarget, 'readback')]);
  }

  /** The `size` elements at `place`, as they are once all work enqueued before this call is done. */
  read(dtype: DType, size: number, place: () => { buffer: GPUBuffer; offset: number }): Promise<TypedArray> {
    return new Promise((resolve, reject) => {
      try { this.device.check(); } catch (error) { reject(error as Error); return; }
      if (size === 0) { resolve(hostArray(dtype, 0)); return; }
      const bytes = Math.ceil((size * bytesPerElement(dtype)) / 4) * 4;
      const forget = this.device.onLost(reject);
      this.device.submissions.enqueue(() => {
        void (async () => {
          const { memory, gpu, submissions } = this.device;
          const capacity = Math.max(smallest, 2 ** Math.ceil(Math.log2(bytes)));
          const free = this.#free.get(capacity) ?? [];
          this.#free.set(capacity, free);
          const target = free.pop() ?? memory.buffer(capacity, usage.mapRead | usage.copyTarget, 'readback');
          const source = place();
          const encoder = gpu.createCommandEncoder();
          encoder.copyBufferToBuffer(source.buffer, source.offset, target, 0, bytes);
          gpu.queue.submit([encoder.finish()]);
          this.device.counters.submits++;
          await submissions.mapAfterAll(target, bytes);
          const out = hostArray(dtype, size);
          new Uint8Array(out.buffer).set(new Uint8Array(target.getMappedRange(0, bytes)).subarray(0, out.byteLength));
          target.unmap();
          free.push(target);
          this.device.check();
          resolve(out);
        })().catch((error: Error) => reject(this.device.failure() ?? error)).finally(forget);
      });
    });
  }
}

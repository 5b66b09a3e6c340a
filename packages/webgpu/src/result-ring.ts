/**
 * Small results in a ring of places, so that a run allocates nothing for them. A result that is still held when its place
 * is wanted again, or when its function is released, moves to memory of its own.
 */
import type { Slot } from '@ashlar/tensor';
import type { WebgpuDevice } from './device.js';
import { usage } from './memory.js';
import { copyBytes, RingStorage, type Place } from './storage.js';

/** Results up to this size live in the ring for `ringRuns` runs. */
const ringBytes = 256, ringRuns = 1024;

/** What must be copied before the next run writes. */
export interface Move { readonly from: Place; readonly to: Place; readonly bytes: number }

export class ResultRing {
  readonly #buffer: GPUBuffer | undefined;
  readonly #places: ({ readonly slot: Slot; readonly offset: number; readonly holders: (RingStorage | undefined)[] } | undefined)[];

  constructor(readonly device: WebgpuDevice, outputs: readonly Slot[]) {
    let total = 0;
    this.#places = outputs.map((slot) => {
      const bytes = copyBytes(slot), offset = total;
      if (bytes === 0 || bytes > ringBytes) return undefined;
      total += bytes * ringRuns;
      return { slot, offset, holders: [] };
    });
    if (total > 0) this.#buffer = device.memory.buffer(total, usage.copySource | usage.copyTarget, 'small results');
  }

  /** The result of output number `index` in run number `run`, and what moves out of its place; undefined where it is not small. */
  take(index: number, run: number): { readonly storage: RingStorage; readonly moves: readonly Move[] } | undefined {
    const place = this.#places[index];
    if (!place) return undefined;
    const { slot, offset, holders } = place, turn = run % ringRuns, moves = moved(holders[turn]);
    const storage = holders[turn] = new RingStorage(this.device, slot.dtype, slot.size, { buffer: this.#buffer!, offset: offset + turn * copyBytes(slot) });
    return { storage, moves };
  }

  /** Gives the ring's memory back, after everything enqueued so far. */
  release(): void {
    const { device } = this, buffer = this.#buffer;
    if (!buffer) return;
    const moves = device.failure() ? [] : this.#places.flatMap((place) => place?.holders.flatMap(moved) ?? []);
    device.submissions.enqueue(() => {
      if (moves.length > 0) {
        const encoder = device.gpu.createCommandEncoder();
        encodeMoves(encoder, moves);
        device.gpu.queue.submit([encoder.finish()]);
        device.counters.submits++;
      }
      device.memory.destroy(buffer);
    });
  }
}

const moved = (holder: RingStorage | undefined): Move[] => {
  const move = holder?.moveOut();
  return move ? [move] : [];
};

export function encodeMoves(encoder: GPUCommandEncoder, moves: readonly Move[]): void {
  for (const { from, to, bytes } of moves) encoder.copyBufferToBuffer(from.buffer, from.offset, to.buffer, to.offset, bytes);
}

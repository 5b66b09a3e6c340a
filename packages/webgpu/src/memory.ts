/** Device memory: buffers of plans, and arenas that storages are cut from. */
import type { BufferHolder } from './bindings.js';
import { OutOfMemoryError } from './errors.js';
import type { WebgpuCounters } from './device.js';

export const alignment = 256;
export const alignUp = (bytes: number, step = alignment): number => Math.ceil(bytes / step) * step;

// The values of GPUBufferUsage and GPUMapMode, which is not a global everywhere.
export const usage = { mapRead: 0x1, copySource: 0x4, copyTarget: 0x8, storage: 0x80 } as const;
export const mapModeRead = 0x1;

/** A run of bytes in an arena. */
export interface Block { readonly buffer: BufferHolder & { readonly gpu: GPUBuffer }; readonly offset: number; readonly bytes: number }

interface Arena { readonly holder: { readonly gpu: GPUBuffer }; readonly size: number; readonly half: boolean; free: { offset: number; bytes: number }[] }

const smallestArena = 4 << 20, largestSharedArena = 64 << 20;

export class Memory {
  readonly #arenas: Arena[] = [];
  readonly #owned = new Set<GPUBuffer>();
  readonly #arenaOf = new Map<object, Arena>();

  constructor(readonly device: GPUDevice, readonly counters: WebgpuCounters, readonly poison: boolean) {}

  #count(bytes: number): void {
    this.counters.bytes += bytes;
    this.counters.peakBytes = Math.max(this.counters.peakBytes, this.counters.bytes);
  }

  #create(bytes: number, flags: number, label: string): GPUBuffer {
    const limit = this.device.limits.maxBufferSize;
    if (bytes > limit) throw new OutOfMemoryError(bytes, limit, label);
    const buffer = this.device.createBuffer({ label, size: bytes, usage: flags });
    this.counters.allocations++;
    this.counters.reservedBytes += bytes;
    this.#owned.add(buffer);
    if (this.poison && flags & usage.storage) this.device.queue.writeBuffer(buffer, 0, new Uint32Array(bytes / 4).fill(0x7fc0dead));
    return buffer;
  }

  /** A buffer of its own, in whole multiples of 256 bytes. */
  buffer(bytes: number, flags: number, label: string): GPUBuffer {
    const size = alignUp(Math.max(bytes, 16));
    const buffer = this.#create(size, flags, label);
    this.#count(size);
    return buffer;
  }

  destroy(buffer: GPUBuffer): void {
    if (!this.#owned.delete(buffer)) return;
    this.counters.bytes -= buffer.size;
    this.counters.reservedBytes -= buffer.size;
    buffer.destroy();
  }

  /** A block for a storage. 16-bit elements have arenas of their own: a shader cannot see one binding as both widths. */
  allocate(bytes: number, half: boolean): Block {
    const size = alignUp(Math.max(bytes, 16)), binding = this.device.limits.maxStorageBufferBindingSize;
    if (size > binding) throw new OutOfMemoryError(size, binding, 'a storage');
    for (const arena of this.#arenas) {
      if (arena.half !== half) continue;
      const place = arena.free.find((hole) => hole.bytes >= size);
      if (!place) continue;
      const block = { buffer: arena.holder, offset: place.offset, bytes: size };
      place.offset += size;
      place.bytes -= size;
      if (place.bytes === 0) arena.free = arena.free.filter((hole) => hole !== place);
      this.#count(size);
      return block;
    }
    const held = this.#arenas.reduce((sum, arena) => sum + arena.size, 0);
    const arenaSize = Math.max(size, Math.min(largestSharedArena, binding, Math.max(smallestArena, alignUp(held / 2))));
    const holder = { gpu: this.#create(arenaSize, usage.storage | usage.copySource | usage.copyTarget, 'storages') };
    const arena: Arena = { holder, size: arenaSize, half, free: arenaSize > size ? [{ offset: size, bytes: arenaSize - size }] : [] };
    this.#arenas.push(arena);
    this.#arenaOf.set(holder, arena);
    this.#count(size);
    return { buffer: holder, offset: 0, bytes: size };
  }

  free(block: Block): void {
    const arena = this.#arenaOf.get(block.buffer);
    if (!arena) return;
    this.counters.bytes -= block.bytes;
    const holes = [...arena.free, { offset: block.offset, bytes: block.bytes }].sort((a, b) => a.offset - b.offset);
    arena.free = [];
    for (const hole of holes) {
      const last = arena.free.at(-1);
      if (last && last.offset + last.bytes === hole.offset) last.bytes += hole.bytes;
      else arena.free.push({ ...hole });
    }
    if (arena.free.length === 1 && arena.free[0]!.bytes === arena.size && arena.size > largestSharedArena) {
      this.#arenas.splice(this.#arenas.indexOf(arena), 1);
      this.#arenaOf.delete(block.buffer);
      this.#owned.delete(arena.holder.gpu);
      this.counters.reservedBytes -= arena.size;
      arena.holder.gpu.destroy();
    }
  }

  close(): void {
    for (const buffer of this.#owned) buffer.destroy();
    this.#owned.clear();
    this.#arenas.length = 0;
    this.#arenaOf.clear();
    this.counters.bytes = this.counters.reservedBytes = 0;
  }
}

/** The device's one linear memory: growth, typed views, allocation with truthful counts. */
import type { DType, DeviceCounters, TypedArray } from '@ashlar/tensor';
import { Heap } from './heap.js';
import { controlBytes, overread, pageBytes, scratchBytes } from './layout.js';

const views = { f32: Float32Array, f16: Uint16Array, i32: Int32Array, u32: Uint32Array, bool: Uint32Array } as const;

/** The typed-array class that carries a dtype's host data. */
export const arrayClass = (dtype: DType): typeof views[DType] => views[dtype];

export class DeviceMemory {
  private held: WebAssembly.Memory | undefined;
  readonly maximumPages: number;
  private readonly heap: Heap;

  /**
   * `poison` fills fresh blocks with NaN, so that a test sees a read of what was never written.
   * Throws a RangeError where the platform has no room for even a small memory.
   */
  constructor(readonly shared: boolean, threads: number, private readonly counters: DeviceCounters, private readonly poison: boolean) {
    const start = controlBytes + threads * scratchBytes;
    const initial = Math.ceil((start + overread) / pageBytes) + 16;
    const made = [65536, 32768, 16384, 8192, 4096].map((maximum) => ({ maximum, memory: tryMemory(initial, maximum, shared) })).find((m) => m.memory);
    if (!made?.memory) throw new RangeError('wasm: no memory of at least 256 MiB could be reserved; close other devices or pages');
    this.held = made.memory;
    this.maximumPages = made.maximum;
    this.heap = new Heap(start, (end) => this.growTo(end));
  }

  get wasm(): WebAssembly.Memory {
    if (!this.held) throw new Error('wasm: the device of this memory was closed');
    return this.held;
  }

  /** Lets the engine free the memory. */
  drop(): void { this.held = undefined; }

  private growTo(end: number): number {
    const have = this.wasm.buffer.byteLength;
    const need = end + overread;
    if (need > have) {
      const most = this.maximumPages * pageBytes;
      if (need > most) throw new RangeError(`wasm: out of memory: ${need} bytes are needed, the device can hold ${most}; use a smaller batch or model`);
      const goal = Math.min(most, Math.max(need, have * 1.25));
      try {
        this.wasm.grow(Math.ceil((goal - have) / pageBytes));
      } catch {
        throw new RangeError(`wasm: out of memory: the platform refused to grow from ${have} to ${goal} bytes`);
      }
    }
    return this.wasm.buffer.byteLength - overread;
  }

  allocate(bytes: number): number {
    const address = this.heap.allocate(bytes);
    const size = Heap.rounded(bytes);
    this.counters.allocations++;
    this.counters.bytes += size;
    this.counters.peakBytes = Math.max(this.counters.peakBytes, this.counters.bytes);
    if (this.poison) new Uint32Array(this.wasm.buffer, address, size / 4).fill(0x7fc0_7e00);
    return address;
  }

  release(address: number): void { this.counters.bytes -= this.heap.release(address); }

  /** A view of `size` elements; it is good until the memory grows. */
  view(dtype: DType, address: number, size: number): TypedArray {
    return new (arrayClass(dtype))(this.wasm.buffer, address, size);
  }
}

function tryMemory(initial: number, maximum: number, shared: boolean): WebAssembly.Memory | undefined {
  try {
    return new WebAssembly.Memory({ initial, maximum, shared });
  } catch {
    return undefined;
  }
}

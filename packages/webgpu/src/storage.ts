/** Storages: blocks of device memory that the caller holds, and small results in a plan's ring. */
import { bytesPerElement, hostArray, type DType, type Storage, type TypedArray } from '@ashlar/tensor';
import type { Region } from './bindings.js';
import type { WebgpuDevice } from './device.js';
import type { Block } from './memory.js';

export const byteSize = (dtype: DType, size: number): number => size * bytesPerElement(dtype);

/** Host data as bytes, padded to the four-byte steps in which WebGPU copies. */
export function asBytes(data: TypedArray): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.ceil(data.byteLength / 4) * 4);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return bytes;
}

/** Throws where host data does not fit a storage or an input. */
export function checkData(what: string, dtype: DType, size: number, data: TypedArray): void {
  const wanted = hostArray(dtype, 0).constructor;
  if (data.constructor !== wanted) throw new TypeError(`${what} holds ${dtype}, whose host array is ${wanted.name}; got ${data.constructor.name}`);
  if (data.length !== size) throw new RangeError(`${what} holds ${size} elements; got ${data.length}`);
}

/** Where the contents of a storage are. */
export interface Place { readonly buffer: GPUBuffer; readonly offset: number }

export class WebgpuStorage implements Storage {
  #block: Block | undefined;
  constructor(readonly device: WebgpuDevice, readonly dtype: DType, readonly size: number, block: Block) { this.#block = block; }

  get block(): Block {
    if (!this.#block) throw new Error(`this storage (${this.size} × ${this.dtype}) was released`);
    return this.#block;
  }

  /** Throws where the storage was released. */
  place(): Place { return { buffer: this.block.buffer.gpu, offset: this.block.offset }; }

  region(): Region { return { buffer: this.block.buffer, offset: this.block.offset, bytes: byteSize(this.dtype, this.size) }; }

  write(data: TypedArray): void {
    checkData('this storage', this.dtype, this.size, data);
    const { buffer, offset } = this.block, bytes = asBytes(data);
    this.device.check();
    if (bytes.length > 0) this.device.submissions.enqueue(() => this.device.gpu.queue.writeBuffer(buffer.gpu, offset, bytes));
  }

  read(): Promise<TypedArray> {
    try {
      const place = this.place();
      return this.device.readback.read(this.dtype, this.size, () => place);
    } catch (error) { return Promise.reject(error as Error); }
  }

  release(): void {
    const block = this.#block;
    this.#block = undefined;
    if (block) this.device.submissions.enqueue(() => this.device.memory.free(block));
  }
}

/** Bytes of a slot's contents when they are copied: whole words. */
export const copyBytes = ({ dtype, size }: { readonly dtype: DType; readonly size: number }): number => Math.ceil(byteSize(dtype, size) / 4) * 4;

/** A small result of a compiled function: in the ring of its function, until that is wanted for a later one. */
export class RingStorage implements Storage {
  #place: Place | undefined;
  #block: Block | undefined;
  constructor(readonly device: WebgpuDevice, readonly dtype: DType, readonly size: number, place: Place) { this.#place = place; }

  /** Throws where the storage was released. */
  place(): Place {
    if (!this.#place) throw new Error(`this storage (${this.size} × ${this.dtype}) was released`);
    return this.#place;
  }

  /** Takes memory of its own and tells what must be copied there; undefined where nobody needs it. */
  moveOut(): { readonly from: Place; readonly to: Place; readonly bytes: number } | undefined {
    const from = this.#place;
    if (!from || this.#block) return undefined;
    const block = this.#block = this.device.memory.allocate(byteSize(this.dtype, this.size), this.dtype === 'f16');
    this.#place = { buffer: block.buffer.gpu, offset: block.offset };
    return { from, to: this.#place, bytes: copyBytes(this) };
  }

  write(): void { throw new Error('a result of a compiled function cannot be written; write a storage from allocate()'); }

  read(): Promise<TypedArray> {
    try {
      const place = this.place();
      return this.device.readback.read(this.dtype, this.size, () => place);
    } catch (error) { return Promise.reject(error as Error); }
  }

  release(): void {
    const block = this.#block;
    this.#place = this.#block = undefined;
    if (block) this.device.submissions.enqueue(() => this.device.memory.free(block));
  }
}

/** A storage of a WebGPU device, of either kind. */
export const isWebgpuStorage = (storage: Storage): storage is WebgpuStorage | RingStorage => storage instanceof WebgpuStorage || storage instanceof RingStorage;

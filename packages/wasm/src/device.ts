/** The WebAssembly device: storages, executables, counters. */
import type { Device, DeviceCounters, DType, Executable, FusedRequest, Graph, PassOptions, Plan, Slot, Storage, TypedArray } from '@ashlar/tensor';
import { buildPlan, bytesPerElement } from '@ashlar/tensor';
import { availableParallelism, canShareMemory, hasRelaxedSimd, hasSimd, mayBlock } from './features.js';
import { fusedKernel } from './fused.js';
import { hostTurn } from './host-turn.js';
import { arrayClass, DeviceMemory } from './memory.js';
import { planModule } from './plan-module.js';
import { Threads } from './threads.js';

export interface WasmOptions {
  /** Threads that share the work, the caller's included. Default: the processors available, at most 8; 1 where memory cannot be shared. */
  readonly threads?: number;
  /** Whether to use the fused multiply-add of relaxed SIMD. Default: where the engine has it. */
  readonly relaxedSimd?: boolean;
}

const mostThreads = 64;
/** Outputs up to this many bytes are copied out at once; larger ones get a storage of their own. */
const smallOutput = 256;

/**
 * Opens a device that runs on this machine's processors through WebAssembly, with 128-bit SIMD and threads.
 * Throws a RangeError for a bad number of threads, an Error where the engine lacks what was asked for.
 */
export const wasm = (options: WasmOptions = {}): Promise<Device> => openDevice(options);

/** Plans of no more operations and bytes than this are done sooner than other threads would be awake. */
const smallPlan = 8e6;

/** The same, with switches for tests: `poison` fills fresh memory with NaN, `divide` has all threads run small plans too. */
export async function openDevice(options: WasmOptions & { readonly poison?: boolean; readonly divide?: boolean } = {}): Promise<WasmDevice> {
  if (typeof WebAssembly === 'undefined' || !hasSimd()) throw new Error('wasm: this JavaScript engine has no WebAssembly SIMD; use Node 20.19 or newer, or a browser of 2023 or newer');
  const { threads: asked, relaxedSimd, poison = false, divide = false } = options;
  if (asked !== undefined && !(Number.isInteger(asked) && asked >= 1 && asked <= mostThreads)) throw new RangeError(`wasm: threads must be a whole number from 1 to ${mostThreads}, got ${asked}`);
  const shareable = canShareMemory();
  if (asked !== undefined && asked > 1 && !shareable) throw new Error(`wasm: ${asked} threads need shared memory, which this page does not have; serve it with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp, or ask for 1 thread`);
  const threads = asked ?? (shareable ? Math.max(1, Math.min(availableParallelism(), 8)) : 1);
  const fused = relaxedSimd === false ? false : hasRelaxedSimd();
  if (relaxedSimd && !fused) throw new Error('wasm: this engine has no relaxed SIMD; leave relaxedSimd out to use plain SIMD');
  const counters: DeviceCounters = { bytes: 0, peakBytes: 0, allocations: 0, pipelines: 0, bindGroups: 0, submits: 0, runs: 0 };
  const memory = new DeviceMemory(threads > 1, threads, counters, poison);
  const pool = await Threads.start(memory.wasm, threads);
  return new WasmDevice(memory, pool, counters, fused, divide ? -1 : smallPlan);
}

/** Where a storage's elements are: in the device's memory, or, for a small result, in a host array. */
class WasmStorage implements Storage {
  private released = false;

  constructor(readonly device: WasmDevice, readonly dtype: DType, readonly size: number, private readonly place: { readonly address: number } | { readonly host: TypedArray }) {}

  private check(): void {
    if (this.released) throw new Error('wasm: this storage was released');
    if (this.device.closed) throw new Error('wasm: the device of this storage was closed');
  }

  /** Address in the device's memory; undefined for a small result. */
  get address(): number | undefined { this.check(); return 'address' in this.place ? this.place.address : undefined; }

  /** The elements as they are now; good until the memory grows. */
  view(): TypedArray {
    this.check();
    return 'host' in this.place ? this.place.host : this.device.memory.view(this.dtype, this.place.address, this.size);
  }

  write(data: TypedArray): void {
    checkData(data, this.dtype, this.size, 'write');
    this.view().set(data);
  }

  async read(): Promise<TypedArray> {
    const data = this.view().slice();
    await hostTurn();
    return data;
  }

  release(): void {
    if (this.released) return;
    if ('address' in this.place && !this.device.closed) this.device.memory.release(this.place.address);
    this.released = true;
  }
}

function checkData(data: TypedArray, dtype: DType, size: number, what: string): void {
  if (!(data instanceof arrayClass(dtype))) throw new TypeError(`wasm: ${what}: ${dtype} data is a ${arrayClass(dtype).name}, got ${(data as object).constructor.name}`);
  if (data.length !== size) throw new RangeError(`wasm: ${what}: expected ${size} elements, got ${data.length}`);
}

export class WasmDevice implements Device {
  readonly kind = 'wasm';
  readonly dtypes: ReadonlySet<DType> = new Set<DType>(['f32', 'f16', 'i32', 'u32', 'bool']);
  readonly description: string;
  closed = false;

  constructor(
    readonly memory: DeviceMemory, readonly pool: Threads, readonly counters: DeviceCounters,
    readonly fusedMultiplyAdd: boolean,
    /** Operations and bytes of a plan that the calling thread runs alone. */
    readonly smallPlan: number,
  ) {
    this.description = `WebAssembly, 128-bit SIMD${fusedMultiplyAdd ? ' with fused multiply-add' : ''}, ${pool.count} thread${pool.count > 1 ? 's' : ''}`;
  }

  private checkOpen(): void { if (this.closed) throw new Error('wasm: this device was closed'); }

  allocate(dtype: DType, size: number): WasmStorage {
    this.checkOpen();
    if (!Number.isInteger(size) || size < 0) throw new RangeError(`wasm: allocate: size must be a whole number ≥ 0, got ${size}`);
    return new WasmStorage(this, dtype, size, { address: this.memory.allocate(size * bytesPerElement(dtype)) });
  }

  compile(graph: Graph, options?: PassOptions): Executable {
    return this.compilePlan(buildPlan(graph, { device: this, fused: (request) => this.kernelFor(request) }, options));
  }

  /** Turns a plan into an executable. */
  compilePlan(plan: Plan): WasmExecutable {
    this.checkOpen();
    return new WasmExecutable(this, plan);
  }

  kernelFor(request: FusedRequest): { readonly scratch: readonly number[]; readonly note: string | undefined } | undefined {
    const kernel = fusedKernel(request.op.name);
    return kernel?.when(request) ? { scratch: kernel.scratch(request, this.pool.count), note: kernel.note?.(request) } : undefined;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.pool.close();
    this.memory.drop();
    this.counters.bytes = 0;
  }

  [Symbol.asyncDispose](): Promise<void> { return this.close(); }
}

class WasmExecutable implements Executable {
  private readonly addresses = new Map<number, number>();
  private readonly owned: number[] = [];
  private readonly id: number;
  private released = false;

  constructor(private readonly device: WasmDevice, readonly plan: Plan) {
    const { memory, pool } = device;
    const own = (bytes: number): number => {
      const address = memory.allocate(bytes);
      this.owned.push(address);
      return address;
    };
    try {
      const work = plan.workBytes ? own(plan.workBytes) : 0;
      for (const slot of [...plan.inputs, ...plan.outputs, ...plan.constants, ...plan.state]) this.place(slot, own);
      const alone = pool.count === 1 || plan.steps.reduce((sum, { flops, bytes }) => sum + flops + bytes, 0) <= device.smallPlan;
      const module = new WebAssembly.Module(planModule(plan, {
        threads: alone ? 1 : pool.count, sharedMemory: memory.shared, maximumPages: memory.maximumPages,
        fusedMultiplyAdd: device.fusedMultiplyAdd, mainMaySleep: mayBlock(),
      }, (slot) => (slot.place.kind === 'work' ? work + slot.place.offset : this.place(slot, own))));
      this.id = pool.load(module, alone);
      device.counters.pipelines++;
    } catch (error) {
      for (const address of this.owned.splice(0)) memory.release(address);
      throw error;
    }
  }

  private place(slot: Slot, own: (bytes: number) => number): number {
    let address = this.addresses.get(slot.id);
    if (address !== undefined) return address;
    const { place } = slot;
    if (place.kind === 'state') address = this.stateAddress(slot);
    else {
      address = own(slot.size * bytesPerElement(slot.dtype));
      if (place.kind === 'constant') this.device.memory.view(slot.dtype, address, slot.size).set(place.data);
    }
    this.addresses.set(slot.id, address);
    return address;
  }

  private stateAddress(slot: Slot): number {
    const storage = slot.place.kind === 'state' ? slot.place.storage : undefined;
    if (!(storage instanceof WasmStorage) || storage.device !== this.device) throw new Error(`wasm: a parameter lives on another device (${storage?.device.kind ?? 'none'}); move it here first`);
    const { address } = storage;
    if (address === undefined) throw new Error('wasm: a small result of a run cannot be updated in place; copy it to a storage of its own');
    return address;
  }

  run(inputs: readonly (TypedArray | Storage)[]): Storage[] {
    if (this.released) throw new Error('wasm: this executable was released');
    const { plan, device } = this, { counters, memory } = device;
    if (device.closed) throw new Error('wasm: the device of this executable was closed');
    if (inputs.length !== plan.inputs.length) throw new RangeError(`wasm: run: expected ${plan.inputs.length} inputs, got ${inputs.length}`);
    for (const slot of plan.state) this.stateAddress(slot);
    inputs.forEach((input, i) => {
      const slot = plan.inputs[i]!;
      const target = memory.view(slot.dtype, this.addresses.get(slot.id)!, slot.size);
      if (input instanceof WasmStorage) {
        if (input.device !== device) throw new Error(`wasm: run: input ${i} lives on another device; read it and pass its data`);
        checkData(input.view(), slot.dtype, slot.size, `run: input ${i}`);
        target.set(input.view());
      } else if ('read' in input) throw new Error(`wasm: run: input ${i} lives on another device (${input.device.kind}); read it and pass its data`);
      else { checkData(input, slot.dtype, slot.size, `run: input ${i}`); target.set(input); }
    });
    device.pool.run(this.id);
    counters.runs++;
    counters.submits++;
    return plan.outputs.map((slot) => {
      const address = this.addresses.get(slot.id)!;
      if (slot.size * bytesPerElement(slot.dtype) <= smallOutput) return new WasmStorage(device, slot.dtype, slot.size, { host: memory.view(slot.dtype, address, slot.size).slice() });
      const storage = device.allocate(slot.dtype, slot.size);
      storage.view().set(memory.view(slot.dtype, address, slot.size));
      return storage;
    });
  }

  /** A run is over when `run` returns; this gives the host a turn now and then. */
  ready(): Promise<void> { return hostTurn(); }

  release(): void {
    if (this.released) return;
    this.released = true;
    if (this.device.closed) return;
    this.device.pool.unload(this.id);
    for (const address of this.owned.splice(0)) this.device.memory.release(address);
  }
}

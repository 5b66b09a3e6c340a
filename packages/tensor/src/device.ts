/** What a backend provides. Nothing above this package sees more of a device than this. */
import type { DType, TypedArray } from './dtype.js';
import type { Graph } from './graph.js';
import type { Plan } from './kernel.js';
import type { FusedRequest, PassOptions } from './plan.js';

/** Memory on a device that holds `size` elements of a dtype. */
export interface Storage {
  readonly device: Device;
  readonly dtype: DType;
  readonly size: number;
  /** Copies host data (exactly `size` elements) to the device, after all work enqueued before. */
  write(data: TypedArray): void;
  /** The contents once all work enqueued before this call is done. Throws where it was released. */
  read(): Promise<TypedArray>;
  /** Gives the memory back. Using the storage afterwards throws. Idempotent. */
  release(): void;
}

/** A graph compiled for one device. Run it any number of times; inputs and state are bound at compile time. */
export interface Executable {
  /**
   * Enqueues one run. `inputs` are copied before this call returns, so the caller may reuse its arrays.
   * Returns one storage an output, which the caller releases: until then its contents stay, whatever runs later, also
   * when this is released. Outputs of at most 256 bytes cost no memory where they are released within 1,023 runs.
   */
  run(inputs: readonly (TypedArray | Storage)[]): Storage[];
  /** Resolves when at most one run is still under way: await it in a loop so that the host does not run far ahead. */
  ready(): Promise<void>;
  /** Absent on the reference device, which interprets the graph. */
  readonly plan?: Plan;
  release(): void;
}

/** Counters of a device since it was made. A step in the steady state changes `runs` and `submits` alone. */
export interface DeviceCounters {
  /** Bytes of device memory held now, and the most held at one time. */
  bytes: number;
  peakBytes: number;
  allocations: number;
  pipelines: number;
  bindGroups: number;
  submits: number;
  runs: number;
}

export interface Device {
  readonly kind: 'wasm' | 'webgpu' | 'reference';
  /** For people: adapter or instruction set, threads. */
  readonly description: string;
  readonly dtypes: ReadonlySet<DType>;
  readonly counters: Readonly<DeviceCounters>;
  allocate(dtype: DType, size: number): Storage;
  compile(graph: Graph, options?: PassOptions): Executable;
  /** What the compiler asks: whether there is a kernel for a fused operation, and the bytes of each scratch buffer it needs. Absent where graphs are interpreted. */
  kernelFor?(request: FusedRequest): { readonly scratch: readonly number[] } | undefined;
  /** Frees everything; the process can then end. Pending reads reject. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The WebGPU device: memory, compilation, order of submission, and what happens when it is lost. */
import { buildPlan, type Device, type DeviceCounters, type DType, type Executable, type FusedRequest, type Graph, type PassOptions, type Plan } from '@ashlar/tensor';
import { DeviceLostError, OutOfMemoryError, ValidationError } from './errors.js';
import { compilePlan } from './executable.js';
import { FusedKernels } from './fused.js';
import { Memory } from './memory.js';
import type { AdapterClass, Target } from './program.js';
import { PipelineCache } from './pipelines.js';
import { Readback } from './readback.js';
import { byteSize, WebgpuStorage } from './storage.js';
import { Submissions, type Turn } from './submission.js';
import { tunePlan, tuningKey, type Autotune, type TunedDot, type TuningStore } from './tuning.js';

export interface WebgpuCounters extends DeviceCounters {
  /** Bytes in buffers, with the unused rest of arenas. `bytes` counts what is handed out. */
  reservedBytes: number;
}

/** What kind of adapter it is, for people and for caches keyed by it. */
export interface AdapterDescription {
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly isFallback: boolean;
  /** Whether it is a driver that runs on the processor. */
  readonly isSoftware: boolean;
  readonly adapterClass: AdapterClass;
}

export interface DeviceParts {
  readonly gpu: GPUDevice;
  readonly adapter: AdapterDescription;
  readonly target: Target;
  readonly turn: Turn | undefined;
  readonly poison: boolean;
  readonly dotChoices: Map<string, string>;
  readonly autotune: Autotune;
  readonly tuningStore: TuningStore | undefined;
  /** Called once when the device is closed. */
  readonly onClose: () => void;
}

export class WebgpuDevice implements Device {
  readonly kind = 'webgpu';
  readonly description: string;
  readonly dtypes: ReadonlySet<DType>;
  readonly counters: WebgpuCounters = { bytes: 0, peakBytes: 0, reservedBytes: 0, allocations: 0, pipelines: 0, bindGroups: 0, submits: 0, runs: 0 };
  readonly gpu: GPUDevice;
  readonly adapter: AdapterDescription;
  readonly target: Target;
  readonly autotune: Autotune;
  /** The dot kernel of each tuned class of shapes. */
  readonly dotChoices: Map<string, string>;
  /** What tuning in this process measured and chose. */
  readonly tuned: TunedDot[] = [];
  readonly memory: Memory;
  readonly fused: FusedKernels;
  readonly pipelines: PipelineCache;
  readonly submissions: Submissions;
  readonly readback: Readback;
  #failure: Error | undefined;
  #closed = false;
  readonly #lostCallbacks = new Set<(error: Error) => void>();
  readonly #onClose: () => void;
  readonly #tuningStore: TuningStore | undefined;

  constructor(parts: DeviceParts) {
    this.gpu = parts.gpu;
    this.adapter = parts.adapter;
    this.target = parts.target;
    this.#onClose = parts.onClose;
    this.#tuningStore = parts.tuningStore;
    this.autotune = parts.autotune;
    this.dotChoices = parts.dotChoices;
    this.description = `WebGPU on ${parts.adapter.name} (${parts.adapter.isSoftware ? 'software adapter' : 'hardware adapter'})`;
    this.dtypes = new Set<DType>(parts.target.half ? ['f32', 'f16', 'i32', 'u32', 'bool'] : ['f32', 'i32', 'u32', 'bool']);
    this.fused = new FusedKernels(this.target);
    this.memory = new Memory(this.gpu, this.counters, parts.poison);
    this.pipelines = new PipelineCache(this.gpu, this.counters);
    this.submissions = new Submissions(this.gpu, this.memory, parts.turn);
    this.readback = new Readback(this);
    this.gpu.addEventListener('uncapturederror', (event) => {
      const { message } = event.error, outOfMemory = 'GPUOutOfMemoryError' in globalThis && event.error instanceof GPUOutOfMemoryError;
      this.#failure ??= outOfMemory || /out of memory/i.test(message)
        ? new OutOfMemoryError(this.counters.reservedBytes, this.gpu.limits.maxBufferSize, `the device (${message})`)
        : new ValidationError(message);
    });
    void this.gpu.lost.then((info) => {
      if (!this.#closed) this.#lose(new DeviceLostError(info.reason ?? 'unknown', info.message));
    });
  }

  #lose(error: Error): void {
    this.#failure = error;
    this.submissions.fail(error);
    for (const callback of this.#lostCallbacks) callback(error);
    this.#lostCallbacks.clear();
  }

  /** The first error that the device reported, if any. */
  failure(): Error | undefined { return this.#failure; }

  /** Throws what the device has reported since the last call. A lost device stays lost. */
  check(): void {
    if (this.#closed) throw new DeviceLostError('destroyed', 'it was closed with close()');
    const failure = this.#failure;
    if (!failure) return;
    if (!(failure instanceof DeviceLostError)) this.#failure = undefined;
    throw failure;
  }

  /** Calls back if the device is lost before the returned function is called. */
  onLost(callback: (error: Error) => void): () => void {
    this.#lostCallbacks.add(callback);
    return () => this.#lostCallbacks.delete(callback);
  }

  allocate(dtype: DType, size: number): WebgpuStorage {
    this.check();
    this.requireDtype(dtype);
    if (!Number.isInteger(size) || size < 0) throw new RangeError(`allocate: size must be a whole number, 0 or more, got ${size}`);
    return new WebgpuStorage(this, dtype, size, this.memory.allocate(byteSize(dtype, size), dtype === 'f16'));
  }

  requireDtype(dtype: DType): void {
    if (!this.dtypes.has(dtype)) throw new TypeError(`${this.description} has no ${dtype}; it has ${[...this.dtypes].join(', ')}. Cast to f32`);
  }

  compile(graph: Graph, options?: PassOptions): Executable {
    this.check();
    return this.compilePlan(buildPlan(graph, { device: this, fused: (request) => this.kernelFor(request) }, options));
  }

  kernelFor(request: FusedRequest): { readonly scratch: readonly number[] } | undefined { return this.fused.request(request); }

  /** Turns a plan into shaders. */
  compilePlan(plan: Plan): Executable {
    this.check();
    return compilePlan(this, plan);
  }

  /** Tunes the products of a plan that have no choice yet; tells whether there were any. */
  async tune(plan: Plan): Promise<boolean> {
    const results = await tunePlan(this, plan);
    if (results.length === 0) return false;
    this.tuned.push(...results);
    await this.#tuningStore?.save(tuningKey(this), Object.fromEntries(this.dotChoices));
    return true;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#lose(new DeviceLostError('destroyed', 'it was closed with close()'));
    this.memory.close();
    this.gpu.destroy();
    this.#onClose();
  }

  [Symbol.asyncDispose](): Promise<void> { return this.close(); }
}

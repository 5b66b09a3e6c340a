/** The door: a device wherever there is WebGPU. */
import { describeAdapter, deviceDescriptor, targetOf } from './adapter.js';
import { WebgpuDevice } from './device.js';
import type { AdapterClass } from './program.js';
import type { Turn } from './submission.js';
import { tuningKey, type Autotune, type TuningStore } from './tuning.js';

export interface WebgpuOptions {
  /** Where to ask for an adapter. Default: `navigator.gpu`. */
  readonly gpu?: GPU;
  /** The adapter to use, already chosen. Default: the one that `gpu` gives for high performance. */
  readonly adapter?: GPUAdapter;
  /** Which kernels to use. Default: `cpu` for software adapters, else `gpu`. */
  readonly adapterClass?: AdapterClass;
  /** Whether products are tuned. Default: `off`. */
  readonly autotune?: Autotune;
  /** Where tuned choices are kept; without it they last as long as the device. */
  readonly tuningStore?: TuningStore;
  /** Lets the event loop turn once. Given where a pending question keeps a thread busy (Dawn in Node): waits then ask now and then. */
  readonly turn?: Turn;
  /** Fills fresh memory with NaN, so that a read of what was never written shows. For tests. */
  readonly poison?: boolean;
  /** Called once when the device is closed. */
  readonly onClose?: () => void;
}

/**
 * A WebGPU device.
 * @throws {Error} where there is no WebGPU or no adapter; the message says what to do.
 */
export async function webgpu(options: WebgpuOptions = {}): Promise<WebgpuDevice> {
  const gpu = options.gpu ?? (globalThis.navigator as Navigator | undefined)?.gpu;
  if (!gpu) throw new Error('there is no WebGPU here (no navigator.gpu): use a browser that has it over https or localhost, @ashlar/webgpu-node in Node, or @ashlar/wasm');
  const adapter = options.adapter ?? (await gpu.requestAdapter({ powerPreference: 'high-performance' }));
  if (!adapter) throw new Error('WebGPU gives no adapter: the graphics driver is missing or blocked. Use @ashlar/wasm, or see `ashlar doctor`');
  const description = describeAdapter(adapter, options.adapterClass);
  const device = await adapter.requestDevice(deviceDescriptor(adapter));
  const dotChoices = new Map<string, string>();
  const { autotune = 'off', tuningStore } = options;
  if (!['off', 'cached', 'run'].includes(autotune)) throw new TypeError(`webgpu: autotune must be off, cached or run, got ${String(autotune)}`);
  if (autotune === 'cached' && !tuningStore) throw new TypeError('webgpu: autotune \'cached\' needs a tuningStore to read from');
  const made = new WebgpuDevice({
    autotune, tuningStore, gpu: device, adapter: description, target: targetOf(device, gpu, description, dotChoices), dotChoices,
    turn: options.turn, poison: options.poison ?? false, onClose: options.onClose ?? (() => {}),
  });
  if (autotune !== 'off') for (const [shapeClass, choice] of Object.entries((await tuningStore?.load(tuningKey(made))) ?? {})) dotChoices.set(shapeClass, choice);
  return made;
}

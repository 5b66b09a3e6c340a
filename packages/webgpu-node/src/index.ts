import { webgpu as createDevice, type WebgpuDevice, type WebgpuOptions } from '@ashlar/webgpu';
import { tuningFiles } from './tuning-file.js';
import { findAdapter, type AdapterChoice, type DawnOptions } from './adapters.js';

export { tuningFiles } from './tuning-file.js';
export { findAdapter, listAdapters, type AdapterChoice, type DawnOptions, type FoundAdapter, type ListedAdapter } from './adapters.js';
export { cacheFolder } from './cache-folder.js';

export interface WebgpuNodeOptions extends DawnOptions, Pick<WebgpuOptions, 'adapterClass' | 'autotune' | 'poison' | 'tuningStore'> {
  /** Which adapter. Default: `auto`. */
  readonly adapter?: AdapterChoice;
}

/** Dawn frees a GPU object that nothing holds, and its devices with it. */
const held = new Set<GPU>();

/**
 * A WebGPU device in Node, through Dawn. Close it when done: the process then ends by itself.
 * @throws {Error} where no adapter fits `adapter`; the message says what to do.
 */
export async function webgpu(options: WebgpuNodeOptions = {}): Promise<WebgpuDevice> {
  const { adapter: choice = 'auto', boundsChecks, validation, ...rest } = options;
  const found = await findAdapter(choice, { ...(boundsChecks !== undefined && { boundsChecks }), ...(validation !== undefined && { validation }) });
  held.add(found.gpu);
  return createDevice({ tuningStore: tuningFiles(), ...rest, gpu: found.gpu, adapter: found.adapter, turn: () => new Promise((resolve) => setImmediate(resolve)), onClose: () => held.delete(found.gpu) });
}

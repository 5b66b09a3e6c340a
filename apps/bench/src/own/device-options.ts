/** How the commands name a device. */
import { availableParallelism } from 'node:os';

export const adapterChoices = ['auto', 'hardware', 'software', 'swiftshader'] as const;
export type AdapterName = (typeof adapterChoices)[number];

/** The adapter of that name. Throws on a name that is none. */
export function adapterNamed(name: string): AdapterName {
  const found = adapterChoices.find((choice) => choice === name);
  if (!found) throw new Error(`--adapter must be one of ${adapterChoices.join(', ')}, got ${name}`);
  return found;
}

export interface DeviceOptions {
  readonly device: 'wasm' | 'webgpu';
  /** The WebGPU adapter. */
  readonly adapter: string;
  /** Threads of the wasm device; all cores where absent. */
  readonly threads?: number;
}

/** Throws on threads for a device that has no such setting. */
export function checkDeviceOptions({ device, adapter, threads }: DeviceOptions): void {
  adapterNamed(adapter);
  if (device !== 'wasm' && threads !== undefined) throw new Error(`--threads is for the wasm device, got --device ${device}: leave it out`);
}

/** Whether a device that is asked for so surely computes on the processor, whose time is then its work's alone, however busy the machine. */
export const isProcessor = ({ device, adapter }: DeviceOptions): boolean => device === 'wasm' || adapter === 'software' || adapter === 'swiftshader';

/** Threads that computations on the processor may use. */
export const threadsOf = ({ threads }: DeviceOptions): number => threads ?? availableParallelism();

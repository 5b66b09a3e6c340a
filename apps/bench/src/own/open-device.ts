/** Opens the device that a command names. */
import type { Device } from '@ashlar/tensor';
import { adapterNamed, checkDeviceOptions, type DeviceOptions } from './device-options.js';

/** Throws where the options do not fit each other, or the device cannot be had. */
export async function openDevice(options: DeviceOptions): Promise<Device> {
  checkDeviceOptions(options);
  if (options.device === 'webgpu') return (await import('@ashlar/webgpu-node')).webgpu({ adapter: adapterNamed(options.adapter) });
  return (await import('@ashlar/wasm')).wasm(options.threads === undefined ? {} : { threads: options.threads });
}

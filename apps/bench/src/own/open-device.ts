/** Opens the device that a command names. */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { Device } from '@ashlar/tensor';
import { adapterNamed, checkDeviceOptions, type DeviceOptions } from './device-options.js';

/** The device from the packages that this file sees. Throws where the options do not fit each other, or the device cannot be had. */
export function openDevice(options: DeviceOptions): Promise<Device> {
  return openFrom(options, (name) => import(name));
}

/** The device from the packages that another file sees: that of another revision, or of a package elsewhere. */
export function openDeviceFor(file: string, options: DeviceOptions): Promise<Device> {
  const { resolve } = createRequire(file);
  return openFrom(options, (name) => import(pathToFileURL(resolve(name)).href));
}

async function openFrom(options: DeviceOptions, load: (name: string) => Promise<unknown>): Promise<Device> {
  checkDeviceOptions(options);
  if (options.device === 'webgpu') return (await load('@ashlar/webgpu-node') as typeof import('@ashlar/webgpu-node')).webgpu({ adapter: adapterNamed(options.adapter) });
  return (await load('@ashlar/wasm') as typeof import('@ashlar/wasm')).wasm(options.threads === undefined ? {} : { threads: options.threads });
}

import { existsSync } from 'node:fs';
import type { Device } from '@ashlar/tensor';
import { suggestion } from './config/nearest.js';
import { exitCodes, Failure } from './failure.js';

export const deviceNames = ['auto', 'webgpu', 'wasm', 'reference'] as const;
export type DeviceName = (typeof deviceNames)[number];

/** A device and why it is this one. */
export interface ChosenDevice {
  readonly device: Device;
  readonly reason: string;
}

/** The name as a choice. Throws a Failure with exit code 4 on another name. */
export function parseDeviceName(name: string): DeviceName {
  if ((deviceNames as readonly string[]).includes(name)) return name as DeviceName;
  throw new Failure(exitCodes.device, `--device ${name}: unknown device.${suggestion(name, deviceNames)} There are ${deviceNames.join(', ')}`);
}

/**
 * Opens a device. `auto` takes a real GPU where there is one, else WebAssembly on the processor.
 *
 * @throws Failure with exit code 4 where the device cannot be had.
 */
export async function chooseDevice(name: DeviceName): Promise<ChosenDevice> {
  if (name === 'reference') {
    const { reference } = await import('@ashlar/tensor/reference');
    return { device: reference(), reason: 'asked for: an interpreter in double precision, slow, for checking' };
  }
  if (name === 'wasm') return { device: await openWasm(), reason: 'asked for' };
  if (name === 'webgpu') return { device: await openWebgpu('auto'), reason: 'asked for' };
  if (!mayHaveGpu()) return { device: await openWasm(), reason: 'auto: the system shows no GPU, and WebAssembly is the fast way on a processor' };
  try {
    return { device: await openWebgpu('hardware'), reason: 'auto: a real GPU is there' };
  } catch (error) {
    if (process.env.DEBUG) process.stderr.write(`${(error as Error).message}\n`);
    return { device: await openWasm(), reason: 'auto: no real GPU was found, and WebAssembly is the fast way on a processor' };
  }
}

/** What Linux shows of a GPU: render nodes, NVIDIA's driver, WSL, Mali, Adreno. */
const gpuNodes = ['/dev/dri', '/dev/nvidiactl', '/dev/dxg', '/dev/mali0', '/dev/kgsl-3d0'];

/** Whether it is worth while to ask the graphics drivers. On Linux a GPU has a device node. */
export const mayHaveGpu = (platform: NodeJS.Platform = process.platform, exists = existsSync): boolean => platform !== 'linux' || gpuNodes.some((node) => exists(node));

async function openWasm(): Promise<Device> {
  const { wasm } = await import('@ashlar/wasm');
  try {
    return await wasm();
  } catch (error) {
    throw new Failure(exitCodes.device, `the wasm device cannot be opened: ${(error as Error).message}`, { cause: error });
  }
}

async function openWebgpu(adapter: 'auto' | 'hardware'): Promise<Device> {
  try {
    const { webgpu } = await import('@ashlar/webgpu-node');
    return await webgpu({ adapter });
  } catch (error) {
    throw new Failure(exitCodes.device, `the webgpu device cannot be opened: ${(error as Error).message}; see: ashlar doctor`, { cause: error });
  }
}

/** `device: wasm, 2 threads … (auto: …)`, for stderr. */
export const deviceLine = ({ device, reason }: ChosenDevice): string => `device: ${device.kind}, ${device.description} (${reason})`;

/** Stored results: JSON files, one for a suite, a device and a machine. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { replaceFile } from '@ashlar/text/node';
import type { DeviceOptions } from '../own/device-options.js';
import { machineSlug, type Machine } from './machine.js';

/** The folder of results that the repository keeps. */
export const resultsFolder = fileURLToPath(new URL('../../results', import.meta.url));

/** Where the result of a suite is kept. */
export const resultFile = (suite: string, { device, adapter }: DeviceOptions, machine: Machine, folder = resultsFolder): string =>
  join(folder, `${suite}-${device === 'webgpu' && adapter !== 'auto' ? `webgpu-${adapter}` : device}-${machineSlug(machine)}.json`);

/** Writes a result, and says so on stderr. */
export function storeResult(file: string, result: object): void {
  mkdirSync(dirname(file), { recursive: true });
  replaceFile(file, [new TextEncoder().encode(`${JSON.stringify(result, null, 2)}\n`)]);
  process.stderr.write(`stored as ${file}\n`);
}

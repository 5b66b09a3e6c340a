import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ConfigKeys, HuggingFaceConfigError } from '../config-keys.js';
import { SafetensorsError } from '../safetensors-format.js';
import type { TensorFiles } from '../tensor-transfer.js';
import { readJsonFile } from './json-file.js';
import { openSafetensors, type SafetensorsFile } from './safetensors-file.js';

/** How many files a model may be in. */
const mostParts = 1000;

/** The tensors of a folder: those of `model.safetensors`, or of the parts that `model.safetensors.index.json` lists. */
export interface TensorFolder extends TensorFiles, Disposable {}

/** @throws HuggingFaceConfigError, SafetensorsError */
export function openTensorFolder(folder: string): TensorFolder {
  const whole = join(folder, 'model.safetensors'), index = `${whole}.index.json`, parts = new Map<string, SafetensorsFile>();
  const close = (): void => { for (const part of parts.values()) part.close(); };
  try {
    if (existsSync(whole) || !existsSync(index)) parts.set(basename(whole), openSafetensors(whole));
    else openParts(folder, index, parts);
    const owners = ownersOf(folder, parts);
    return {
      name: parts.size === 1 ? join(folder, [...parts.keys()][0]!) : folder,
      tensors: new Map([...owners].map(([name, file]) => [name, file.tensors.get(name)!])),
      read: (name) => owners.get(name)!.read(name),
      [Symbol.dispose]: close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

function openParts(folder: string, index: string, parts: Map<string, SafetensorsFile>): void {
  const places = new ConfigKeys(readJsonFile(index), index).take('weight_map');
  const map = Object.entries(typeof places === 'object' && places !== null ? places as Record<string, unknown> : {}), names = new Set(map.map(([, part]) => part));
  if (names.size === 0) throw new HuggingFaceConfigError(`${index}: weight_map names no file`);
  if (names.size > mostParts) throw new HuggingFaceConfigError(`${index}: a model may be in ${mostParts} parts, weight_map names ${names.size}`);
  for (const name of names) {
    if (typeof name !== 'string' || basename(name) !== name || !name.endsWith('.safetensors') || /[\\\0]/.test(name)) throw new HuggingFaceConfigError(`${index}: weight_map must name safetensors files of the folder, got ${JSON.stringify(name).slice(0, 100)}`);
    parts.set(name, openSafetensors(join(folder, name)));
  }
  const misplaced = map.find(([tensor, part]) => !parts.get(part as string)!.tensors.has(tensor));
  if (misplaced) throw new SafetensorsError(join(folder, misplaced[1] as string), `tensor ${JSON.stringify(misplaced[0])}`, `${basename(index)} says that it is here, and it is not`);
}

function ownersOf(folder: string, parts: ReadonlyMap<string, SafetensorsFile>): Map<string, SafetensorsFile> {
  const owners = new Map<string, SafetensorsFile>();
  for (const [part, file] of parts) {
    for (const name of file.tensors.keys()) {
      if (owners.has(name)) throw new SafetensorsError(join(folder, part), `tensor ${JSON.stringify(name)}`, 'another part of the model holds it too');
      owners.set(name, file);
    }
  }
  return owners;
}

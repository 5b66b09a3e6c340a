import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describeHuggingFaceConfig, HuggingFaceConfigError, type DecoderDescription } from '../hugging-face-config.js';
import type { TensorRole } from '../hugging-face-tensors.js';
import { huggingFaceWeights, type TensorFiles } from '../hugging-face-weights.js';
import { SafetensorsError, type HostTensor } from '../safetensors-format.js';
import { openSafetensors, type SafetensorsFile } from './safetensors-file.js';

/** A model as its folder describes it. */
export interface HuggingFaceModel {
  readonly description: DecoderDescription;
  /** f32, linear weights as [out, in]. */
  readonly weights: ReadonlyMap<TensorRole, HostTensor>;
}

/**
 * Reads a model folder of the families `gpt2` and `llama`: `config.json` with `model.safetensors`, or with the parts that
 * `model.safetensors.index.json` lists.
 *
 * @throws HuggingFaceConfigError, SafetensorsError
 */
export function readHuggingFaceFolder(folder: string): HuggingFaceModel {
  const description = describeHuggingFaceConfig(readJson(join(folder, 'config.json')));
  const parts = openParts(folder);
  try {
    return { description, weights: huggingFaceWeights(description, joined(folder, parts)) };
  } finally {
    for (const part of parts.values()) part.close();
  }
}

function openParts(folder: string): Map<string, SafetensorsFile> {
  const index = join(folder, 'model.safetensors.index.json');
  if (!existsSync(index)) return new Map([['model.safetensors', openSafetensors(join(folder, 'model.safetensors'))]]);
  const { weight_map: places } = readJson(index) as { weight_map?: Record<string, unknown> };
  const names = new Set(Object.values(places ?? {}));
  const parts = new Map<string, SafetensorsFile>();
  try {
    for (const name of names) {
      if (typeof name !== 'string' || basename(name) !== name) throw new HuggingFaceConfigError(`${index}: weight_map must name files of the folder, got ${JSON.stringify(name)}`);
      parts.set(name, openSafetensors(join(folder, name)));
    }
    if (parts.size === 0) throw new HuggingFaceConfigError(`${index}: weight_map names no file`);
    return parts;
  } catch (error) {
    for (const part of parts.values()) part.close();
    throw error;
  }
}

function joined(folder: string, parts: ReadonlyMap<string, SafetensorsFile>): TensorFiles {
  const owners = new Map<string, SafetensorsFile>();
  for (const [part, file] of parts) {
    for (const name of file.tensors.keys()) {
      if (owners.has(name)) throw new SafetensorsError(join(folder, part), `tensor ${JSON.stringify(name)}`, 'another part of the model holds it too');
      owners.set(name, file);
    }
  }
  const tensors = new Map([...owners].map(([name, file]) => [name, file.tensors.get(name)!]));
  return { name: parts.size === 1 ? join(folder, [...parts.keys()][0]!) : folder, tensors, read: (name) => owners.get(name)!.read(name) };
}

function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new HuggingFaceConfigError(`${path}: ${(error as { code?: string }).code === 'ENOENT' ? 'there is no such file' : (error as Error).message}`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new HuggingFaceConfigError(`${path}: it is not valid JSON: ${(error as Error).message}`);
  }
}

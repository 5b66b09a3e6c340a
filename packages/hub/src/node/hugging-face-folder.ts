import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ModelType } from '@ashlar/models';
import { huggingFaceTokenizer, type Tokenizer } from '@ashlar/text';
import { HuggingFaceConfigError } from '../config-keys.js';
import { storedAs, type FloatStorage } from '../float-storage.js';
import type { SpecialTokens } from '../hugging-face-config.js';
import { huggingFaceFiles, modelFromHuggingFace, type HuggingFaceModel, type LoadOptions, type WritableModel } from '../pretrained-model.js';
import { type WritableTensor } from '../safetensors-format.js';
import { readJsonFile } from './json-file.js';
import { writeSafetensors } from './safetensors-file.js';
import { openTensorFolder } from './tensor-folder.js';
import { makeEmptyFolder, writeConfig, writeJson, writeTokenizer } from './written-folder.js';

/**
 * The model of a Hugging Face folder: `config.json` with `model.safetensors`, or with the parts that
 * `model.safetensors.index.json` lists. f16 and bf16 become f32.
 * @param options.modelType What the caller can use: `{ modelType: 'decoder' }` gives a model of that type, or an error.
 * @throws HuggingFaceConfigError, SafetensorsError
 */
export function loadHuggingFace<Type extends ModelType = ModelType>(folder: string, { modelType }: LoadOptions<Type> = {}): HuggingFaceModel<Type> {
  const path = join(folder, 'config.json'), json = readJsonFile(path);
  using files = openTensorFolder(folder);
  return modelFromHuggingFace(json, files, { modelType, source: path });
}

/**
 * The tokenizer of a Hugging Face folder: `tokenizer.json`, with `tokenizer_config.json` where it is there; undefined where
 * the folder has none. A file's own path may stand for the folder's.
 * @param specialTokens Those of the model, which `loadHuggingFace` gives.
 * @throws HuggingFaceConfigError
 */
export function loadHuggingFaceTokenizer(place: string, { begin, end, padding }: SpecialTokens = {}): Tokenizer | undefined {
  const path = place.endsWith('.json') ? place : join(place, 'tokenizer.json'), configPath = join(dirname(path), 'tokenizer_config.json');
  if (!existsSync(path)) return undefined;
  const about = { ...(begin === undefined ? {} : { begin }), ...(end === undefined ? {} : { end: typeof end === 'number' ? [end] : end }), ...(padding === undefined ? {} : { padding }) };
  const tokenizer = readJsonFile(path) as object, config = existsSync(configPath) ? readJsonFile(configPath) as object : undefined;
  try {
    return huggingFaceTokenizer({ tokenizer, ...(config ? { config } : {}), ...about });
  } catch (error) {
    throw new HuggingFaceConfigError(`${path}: ${(error as Error).message}`);
  }
}

export interface SaveHuggingFaceOptions {
  /** The `model_type`; default: the first family that has the model. */
  readonly family?: string;
  /** Default f32. */
  readonly storage?: FloatStorage;
  /** A model that takes more is written in parts of at most this; default 5 GB. */
  readonly partBytes?: number;
}

/**
 * Writes a model, and its tokenizer where it is given, as a folder that Hugging Face's libraries load. Makes the folder,
 * which must be empty.
 * @throws HuggingFaceConfigError where no family has the model or the folder is in use, SafetensorsError, FileWriteError
 */
export async function saveHuggingFace(folder: string, model: WritableModel, { family, storage = 'f32', partBytes = 5e9 }: SaveHuggingFaceOptions = {}): Promise<void> {
  const { json, tensors } = await huggingFaceFiles(model, { family });
  makeEmptyFolder(folder);
  const stored = new Map([...tensors].map(([name, tensor]) => [name, storedAs(storage, tensor, folder, name)]));
  const parts = partsOf(stored, partBytes), nameOf = (part: number): string => `model-${String(part + 1).padStart(5, '0')}-of-${String(parts.length).padStart(5, '0')}.safetensors`;
  if (parts.length === 1) writeSafetensors(join(folder, 'model.safetensors'), stored, { format: 'pt' });
  else {
    parts.forEach((part, number) => writeSafetensors(join(folder, nameOf(number)), part, { format: 'pt' }));
    writeJson(join(folder, 'model.safetensors.index.json'), {
      metadata: { total_size: [...stored.values()].reduce((sum, tensor) => sum + bytesOf(tensor), 0) },
      weight_map: Object.fromEntries(parts.flatMap((part, number) => [...part.keys()].map((name) => [name, nameOf(number)]))),
    });
  }
  if (model.tokenizer) writeTokenizer(folder, model.tokenizer);
  writeConfig(folder, { ...json, torch_dtype: { f32: 'float32', f16: 'float16', bf16: 'bfloat16' }[storage] });
}

const bytesOf = ({ data }: WritableTensor): number => data.byteLength;

/** Tensors in the order of their names, as many a part as fit. */
function partsOf(tensors: ReadonlyMap<string, WritableTensor>, most: number): Map<string, WritableTensor>[] {
  const parts = [new Map<string, WritableTensor>()];
  let filled = 0;
  for (const [name, tensor] of [...tensors].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (filled > 0 && filled + bytesOf(tensor) > most) {
      parts.push(new Map());
      filled = 0;
    }
    parts.at(-1)!.set(name, tensor);
    filled += bytesOf(tensor);
  }
  return parts;
}

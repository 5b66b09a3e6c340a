import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelType } from '@ashlar/models';
import { huggingFaceForm, huggingFaceTokenizer, type Tokenizer } from '@ashlar/text';
import { FileWriteError, replaceFile } from '@ashlar/text/node';
import { HuggingFaceConfigError } from '../config-keys.js';
import { storedAs, type FloatStorage } from '../float-storage.js';
import type { SpecialTokens } from '../hugging-face-config.js';
import { huggingFaceFiles, modelFromHuggingFace, type HuggingFaceModel, type LoadOptions, type WritableModel } from '../pretrained-model.js';
import { type WritableTensor } from '../safetensors-format.js';
import { readJsonFile } from './json-file.js';
import { writeSafetensors } from './safetensors-file.js';
import { openTensorFolder } from './tensor-folder.js';

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
 * the folder has none.
 * @param specialTokens Those of the model, which `loadHuggingFace` gives.
 * @throws HuggingFaceConfigError
 */
export function loadHuggingFaceTokenizer(folder: string, { begin, end, padding }: SpecialTokens = {}): Tokenizer | undefined {
  const path = join(folder, 'tokenizer.json'), configPath = join(folder, 'tokenizer_config.json');
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
  if (model.tokenizer) {
    const { tokenizer, config } = huggingFaceForm(model.tokenizer);
    writeJson(join(folder, 'tokenizer.json'), tokenizer);
    writeJson(join(folder, 'tokenizer_config.json'), config);
  }
  writeText(join(folder, 'config.json'), withFloats(textOf({ ...json, torch_dtype: { f32: 'float32', f16: 'float16', bf16: 'bfloat16' }[storage] })));
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

function makeEmptyFolder(folder: string): void {
  let found: string[];
  try {
    mkdirSync(folder, { recursive: true });
    found = readdirSync(folder);
  } catch (error) {
    throw new FileWriteError(folder, error);
  }
  if (found.length > 0) throw new HuggingFaceConfigError(`${folder}: it must be empty, as files of another model would be read with the new ones; it holds ${found.slice(0, 3).join(', ')}`);
}

const textOf = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;
const writeText = (path: string, text: string): void => replaceFile(path, [new TextEncoder().encode(text)]);
const writeJson = (path: string, value: unknown): void => writeText(path, textOf(value));

/** Python tells 0.0 from 0: numbers that are rates, factors and the like in config.json get their point. */
const withFloats = (json: string): string => json.replaceAll(/("\w*(?:dropout|dropout_rate|pdrop|_prob|theta|factor|_range|_std|eps|epsilon|beta_fast|beta_slow)": \d+)(?=,?\n)/g, '$1.0');

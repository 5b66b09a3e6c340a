import { replaceFile } from '@ashlar/text/node';
import { GgufError } from '../gguf/gguf-format.js';
import { modelFromGguf, type GgufModel } from '../gguf/gguf-import.js';
import { ggufChunks } from '../gguf/gguf-writer.js';
import { ggufFile, type GgufOptions } from '../gguf/gguf-model.js';
import { ggufReader } from '../gguf/gguf-reader.js';
import type { WritableModel } from '../pretrained-model.js';
import { openFileSource } from './file-source.js';

/**
 * Writes a model of the Llama family with its tokenizer as a GGUF file, whole or not at all; see `ggufFile`.
 * @throws {GgufError | HuggingFaceConfigError} where llama.cpp has no such model or tokenizer, FileWriteError
 */
export async function saveGguf(path: string, model: WritableModel, options: GgufOptions = {}): Promise<void> {
  const { metadata, tensors } = await ggufFile(model, options);
  replaceFile(path, ggufChunks(metadata, tensors));
}

/** The model of a GGUF file that is not quantized; see `modelFromGguf`. @throws {GgufError | HuggingFaceConfigError | SafetensorsError} */
export function loadGguf(path: string): GgufModel {
  using source = openFileSource(path, (problem) => new GgufError(`${path}: ${problem}`));
  return modelFromGguf(ggufReader(source), path);
}

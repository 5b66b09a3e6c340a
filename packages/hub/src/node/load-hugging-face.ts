import type { Decoder } from '@ashlar/models';
import { decoderFromHuggingFace } from '../hugging-face-decoder.js';
import { readHuggingFaceFolder } from './hugging-face-folder.js';

/**
 * The model of a Hugging Face folder of the families `gpt2` and `llama`: `config.json` with `model.safetensors`, or its parts.
 * @throws HuggingFaceConfigError, SafetensorsError
 */
export function loadHuggingFace(folder: string): Decoder {
  const { description, weights } = readHuggingFaceFolder(folder);
  return decoderFromHuggingFace(description, weights);
}

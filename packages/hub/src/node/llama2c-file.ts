import { parseLlama2cTokenizer, scoredPiecesTokenizer, type Tokenizer } from '@ashlar/text';
import { Llama2cError, readLlama2cCheckpoint } from '../llama2c-checkpoint.js';
import type { PretrainedModel } from '../pretrained-model.js';
import { openFileSource } from './file-source.js';

/** The model of a checkpoint file of llama2.c; see `readLlama2cCheckpoint`. @throws {Llama2cError} */
export function loadLlama2c(path: string): PretrainedModel<'decoder'> {
  using source = openFileSource(path, (problem) => new Llama2cError(`${path}: ${problem}`));
  return readLlama2cCheckpoint(source);
}

/** Llama 2's has 32,000 pieces and half a megabyte. */
const largestTokenizer = 2 ** 26;

/** The tokenizer of a file of llama2.c, such as `tok512.bin`. @throws {Llama2cError} */
export function loadLlama2cTokenizer(path: string): Tokenizer {
  using source = openFileSource(path, (problem) => new Llama2cError(`${path}: ${problem}`));
  if (source.bytes > largestTokenizer) throw new Llama2cError(`${path}: a tokenizer file has at most ${largestTokenizer} bytes, this one has ${source.bytes}`);
  const bytes = new Uint8Array(source.bytes);
  source.read(0, bytes);
  try {
    return scoredPiecesTokenizer(parseLlama2cTokenizer(bytes, path));
  } catch (error) {
    const { message } = error as Error;
    throw new Llama2cError(message.startsWith(path) ? message : `${path}: ${message}`);
  }
}

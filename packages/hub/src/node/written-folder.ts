/** Folders in Hugging Face's form: what all of them hold beside weights. */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { huggingFaceForm, type Tokenizer } from '@ashlar/text';
import { FileWriteError, replaceFile } from '@ashlar/text/node';
import { HuggingFaceConfigError } from '../config-keys.js';

/** Makes a folder, which must be empty. @throws HuggingFaceConfigError, FileWriteError */
export function makeEmptyFolder(folder: string): void {
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
export const writeJson = (path: string, value: unknown): void => writeText(path, textOf(value));

/** Writes `config.json`. */
export const writeConfig = (folder: string, json: object): void => writeText(join(folder, 'config.json'), withFloats(textOf(json)));

/** Writes `tokenizer.json` and `tokenizer_config.json`. */
export function writeTokenizer(folder: string, given: Tokenizer): void {
  const { tokenizer, config } = huggingFaceForm(given);
  writeJson(join(folder, 'tokenizer.json'), tokenizer);
  writeJson(join(folder, 'tokenizer_config.json'), config);
}

/** Python tells 0.0 from 0: numbers that are rates, factors and the like in config.json get their point. */
const withFloats = (json: string): string => json.replaceAll(/("\w*(?:dropout|dropout_rate|pdrop|_prob|theta|factor|_range|_std|eps|epsilon|beta_fast|beta_slow)": \d+)(?=,?\n)/g, '$1.0');

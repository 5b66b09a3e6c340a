import { loadHuggingFaceTokenizer } from '@ashlar/hub/node';
import { byteTokenizer, characterTokenizer, symbolsOf, symbolTokenizer, tokenizerFromJSON, trainBytePairs, type Tokenizer } from '@ashlar/text';
import type { TokenizerConfig } from '../config/sections.js';
import { exitCodes, Failure } from '../failure.js';
import { readJson } from '../run-folder.js';

/** Reads what `tokenizer.toJSON()` gave, or a tokenizer.json of Hugging Face, with the tokenizer_config.json beside it. @throws {Failure} with exit code 3 where it is missing or damaged. */
export function readTokenizer(path: string): Tokenizer {
  const json = readJson(path);
  try {
    return typeof json === 'object' && json !== null && 'model' in json ? loadHuggingFaceTokenizer(path)! : tokenizerFromJSON(json);
  } catch (error) {
    throw new Failure(exitCodes.data, `${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** The tokenizer of examples: characters and symbols are those of all `texts`, byte pairs are learned from those that are trained on. */
export function tokenizerOf(config: TokenizerConfig, texts: readonly string[], trained: readonly string[]): Tokenizer {
  if (config === 'byte') return byteTokenizer();
  if (config === 'symbol') return symbolTokenizer(symbolsOf(texts));
  if (config === 'character') {
    const codePoints = new Set<number>();
    for (const text of texts) for (const character of text) codePoints.add(character.codePointAt(0)!);
    return characterTokenizer(codePoints);
  }
  return config.type === 'file' ? readTokenizer(config.path) : trainBytePairs(trained, config);
}

/** For people: `character`, `bytePairs, at most 512`. */
export function tokenizerName(config: TokenizerConfig): string {
  if (typeof config === 'string') return config;
  return config.type === 'file' ? config.path : `bytePairs, at most ${config.vocabularySize}`;
}

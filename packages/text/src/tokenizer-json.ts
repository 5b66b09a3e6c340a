import { byteTokenizer } from './byte-tokenizer.js';
import { characterTokenizer } from './character-tokenizer.js';
import { endedTokenizer } from './ended-tokenizer.js';
import { huggingFaceTokenizer, type HuggingFaceTokenizerFiles } from './hugging-face-tokenizer.js';
import { scoredPiecesTokenizer, type ScoredPieces } from './scored-pieces-tokenizer.js';
import { symbolTokenizer } from './symbol-tokenizer.js';
import type { Tokenizer, TokenizerJSON } from './tokenizer.js';

type Type = TokenizerJSON['type'];
type Value = Readonly<Record<string, unknown>>;
interface Kind { readonly keys: readonly string[]; read(json: Value): Tokenizer }

const isToken = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const listOf = (test: (value: unknown) => boolean) => (value: unknown): boolean => Array.isArray(value) && value.every(test);
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

const kinds: Readonly<Record<Type, Kind>> = {
  character: { keys: ['characters'], read: ({ characters }) => readCharacters(characters) },
  byte: { keys: [], read: () => byteTokenizer() },
  symbol: {
    keys: ['symbols'],
    read(json) {
      check(json, 'symbols', 'a list of strings', listOf((symbol) => typeof symbol === 'string'));
      return symbolTokenizer(json.symbols as readonly string[]);
    },
  },
  scoredPieces: {
    keys: ['pieces', 'scores', 'begin', 'end'],
    read(json) {
      check(json, 'pieces', 'a list of strings', listOf((piece) => typeof piece === 'string'));
      check(json, 'scores', 'a list of numbers', listOf((score) => typeof score === 'number'));
      for (const key of ['begin', 'end']) if (json[key] !== undefined) check(json, key, 'the number of a token', isToken);
      const { type: _, ...rest } = json;
      return scoredPiecesTokenizer(rest as unknown as ScoredPieces);
    },
  },
  ended: { keys: ['tokenizer'], read: ({ tokenizer }) => endedTokenizer(tokenizerFromJSON(tokenizer)) },
  huggingFace: {
    keys: ['tokenizer', 'config', 'begin', 'end', 'padding'],
    read(json) {
      check(json, 'tokenizer', 'the contents of tokenizer.json', isObject);
      if (json.config !== undefined) check(json, 'config', 'the contents of tokenizer_config.json', isObject);
      for (const key of ['begin', 'padding']) if (json[key] !== undefined) check(json, key, 'the number of a token', isToken);
      if (json.end !== undefined) check(json, 'end', 'numbers of tokens', listOf(isToken));
      const { type: _, ...rest } = json;
      return huggingFaceTokenizer(rest as unknown as HuggingFaceTokenizerFiles);
    },
  },
};

/**
 * The tokenizer that `tokenizer.toJSON()` described.
 *
 * @throws Error on an unknown type or key, or on values that describe no tokenizer.
 */
export function tokenizerFromJSON(json: unknown): Tokenizer {
  if (!isObject(json)) throw new Error(`tokenizer: expected an object with a "type", got ${JSON.stringify(json)}`);
  const { type, ...rest } = json as Value, names = Object.keys(kinds).map((name) => `"${name}"`);
  if (typeof type !== 'string' || !Object.hasOwn(kinds, type)) throw new Error(`tokenizer: type must be ${names.slice(0, -1).join(', ')} or ${names.at(-1)!}, got ${JSON.stringify(type)}`);
  const kind = kinds[type as Type], unknown = Object.keys(rest).find((key) => !kind.keys.includes(key));
  if (unknown !== undefined) throw new Error(`tokenizer: unknown key "${unknown}"; a ${type} tokenizer has ${['type', ...kind.keys].join(', ')}`);
  return kind.read(json as Value);
}

function check(json: Value, key: string, allowed: string, test: (value: unknown) => boolean): void {
  if (!test(json[key])) throw new Error(`tokenizer: ${key} must be ${allowed}, got ${(JSON.stringify(json[key]) ?? 'nothing').slice(0, 80)}`);
}

function readCharacters(characters: unknown): Tokenizer {
  if (typeof characters !== 'string') throw new Error(`tokenizer: characters must be a string, got ${JSON.stringify(characters)}`);
  const tokenizer = characterTokenizer(characters), stored = tokenizer.toJSON();
  if (stored.type !== 'character' || stored.characters !== characters) throw new Error('tokenizer: characters must be in the order of their code points, each once');
  return tokenizer;
}

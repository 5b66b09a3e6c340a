import { byteTokenizer } from './byte-tokenizer.js';
import { characterTokenizer } from './character-tokenizer.js';
import type { Tokenizer } from './tokenizer.js';

const allowedKeys = { character: ['type', 'characters'], byte: ['type'] } as const;

/**
 * The tokenizer that `tokenizer.toJSON()` described.
 *
 * @throws Error on an unknown type or key, or on characters that are not a sorted set of code points.
 */
export function tokenizerFromJSON(json: unknown): Tokenizer {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new Error(`tokenizer: expected an object with a "type", got ${JSON.stringify(json)}`);
  }
  const { type, characters } = json as { type?: unknown; characters?: unknown };
  if (type !== 'character' && type !== 'byte') {
    throw new Error(`tokenizer: type must be "character" or "byte", got ${JSON.stringify(type)}`);
  }
  const unknown = Object.keys(json).find((key) => !(allowedKeys[type] as readonly string[]).includes(key));
  if (unknown !== undefined) throw new Error(`tokenizer: unknown key "${unknown}"; a ${type} tokenizer has ${allowedKeys[type].join(', ')}`);
  if (type === 'byte') return byteTokenizer();
  if (typeof characters !== 'string') throw new Error(`tokenizer: characters must be a string, got ${JSON.stringify(characters)}`);
  const tokenizer = characterTokenizer(characters);
  const stored = tokenizer.toJSON();
  if (stored.type !== 'character' || stored.characters !== characters) {
    throw new Error('tokenizer: characters must be in the order of their code points, each once');
  }
  return tokenizer;
}

import type { HuggingFaceTokenizerFiles } from './hugging-face-tokenizer.js';
import type { ScoredPieces } from './scored-pieces-tokenizer.js';

/** Turns text into token numbers and back. Token numbers run from 0 to `vocabularySize` − 1. */
export interface Tokenizer {
  readonly vocabularySize: number;
  /** The token that stands before every text that the model sees. Absent: none. `encode` leaves it out. */
  readonly begin?: number;
  /** The tokens that end a text. Absent: none. */
  readonly end?: readonly number[];
  /** The token that fills rows up, and the one that stands for a hidden token. Absent: none. */
  readonly padding?: number;
  readonly mask?: number;
  /** What stands about a text that is read whole, such as BERT's [CLS] and [SEP]. Absent: nothing. `encode` leaves it out. */
  readonly frame?: { readonly before: readonly number[]; readonly after: readonly number[] };
  /** The token numbers of `text`. Throws `UnknownCharacterError` where the vocabulary has no token for a part of it. */
  encode(text: string): Uint32Array;
  /** The text that the token numbers stand for. Throws a RangeError on a number outside the vocabulary. */
  decode(ids: ArrayLike<number>): string;
  /** The text of one token. */
  idToToken(id: number): string;
  /** A JSON value from which `tokenizerFromJSON` makes an equal tokenizer. */
  toJSON(): TokenizerJSON;
}

/** What a tokenizer is stored as. */
export type TokenizerJSON =
  | { readonly type: 'character'; readonly characters: string }
  | { readonly type: 'byte' }
  | { readonly type: 'symbol'; readonly symbols: readonly string[] }
  | { readonly type: 'scoredPieces' } & ScoredPieces
  | { readonly type: 'ended'; readonly tokenizer: TokenizerJSON }
  | { readonly type: 'huggingFace' } & HuggingFaceTokenizerFiles;

/** Text holds a character that the tokenizer's vocabulary lacks. `position` counts UTF-16 units, as string indices do. */
export class UnknownCharacterError extends Error {
  override readonly name = 'UnknownCharacterError';
  constructor(readonly tokenizer: string, readonly character: string, readonly position: number, readonly advice: string) {
    super(`${tokenizer}: no token for ${JSON.stringify(character)} (${codePointName(character)}) at position ${position}; ${advice}`);
  }

  /** The same error, where the text it was found in begins at `offset` of a longer one. */
  movedBy(offset: number): UnknownCharacterError {
    return new UnknownCharacterError(this.tokenizer, this.character, this.position + offset, this.advice);
  }
}

/** The usual name of a code point, such as U+00E9. */
export const codePointName = (character: string): string => `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;

/** The tokens that a model is given of a text: the one that begins every text, where there is one, and those of `encode`. */
export function textTokens(tokenizer: Tokenizer, text: string): Uint32Array {
  const tokens = tokenizer.encode(text);
  if (tokenizer.begin === undefined) return tokens;
  const all = new Uint32Array(tokens.length + 1);
  all[0] = tokenizer.begin;
  all.set(tokens, 1);
  return all;
}

/**
 * The tokens of a text that is read whole, by an encoder: those of `encode` and the tokenizer's frame about them.
 * @param longest Where there is a frame: of a longer text the first tokens, so that the frame still stands about them.
 */
export function wholeTokens({ frame, encode }: Pick<Tokenizer, 'frame' | 'encode'>, text: string, longest = Infinity): Uint32Array {
  if (!frame) return encode(text);
  const { before, after } = frame;
  return Uint32Array.from([...before, ...encode(text).subarray(0, Math.max(longest - before.length - after.length, 1)), ...after]);
}

/** Throws a RangeError unless `id` is a token number of the vocabulary. */
export function assertToken(id: number, vocabularySize: number, tokenizer: string): void {
  if (!Number.isInteger(id) || id < 0 || id >= vocabularySize) {
    throw new RangeError(`${tokenizer}: token numbers run from 0 to ${vocabularySize - 1}, got ${id}`);
  }
}

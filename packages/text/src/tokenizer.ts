/** Turns text into token numbers and back. Token numbers run from 0 to `vocabularySize` − 1. */
export interface Tokenizer {
  readonly vocabularySize: number;
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
  | { readonly type: 'byte' };

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

/** Throws a RangeError unless `id` is a token number of the vocabulary. */
export function assertToken(id: number, vocabularySize: number, tokenizer: string): void {
  if (!Number.isInteger(id) || id < 0 || id >= vocabularySize) {
    throw new RangeError(`${tokenizer}: token numbers run from 0 to ${vocabularySize - 1}, got ${id}`);
  }
}

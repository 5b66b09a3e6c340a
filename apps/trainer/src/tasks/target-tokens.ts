import { wholeTokens, type Tokenizer } from '@ashlar/text';

/** How targets stand in an encoder-decoder. */
export interface TargetTokens {
  /** The token that stands before each target, and the one that ends it. */
  readonly begin: number;
  readonly end: number;
  /** What the model goes on from when it writes. */
  readonly prompt: readonly number[];
  /** How many tokens there are at least. */
  readonly vocabularySize: number;
  /** Whether a token may stand in a target. */
  isText(token: number): boolean;
  /** The tokens of a target between `begin` and `end`. */
  tokensOf(text: string): Uint32Array;
}

/** By the tokenizer's own `begin` and `end`, where it has both, as those of imported models do; else two tokens more than it has. */
export function targetTokens(tokenizer: Tokenizer): TargetTokens {
  const { begin, end: [end] = [], vocabularySize, frame } = tokenizer, isText = (token: number): boolean => token !== begin && token < vocabularySize;
  if (begin === undefined || end === undefined) return { begin: vocabularySize, end: vocabularySize + 1, prompt: [vocabularySize], vocabularySize: vocabularySize + 2, isText, tokensOf: (text) => tokenizer.encode(text) };
  return {
    begin, end, prompt: [begin, ...frame?.before ?? []], vocabularySize, isText,
    tokensOf(text) {
      const tokens = wholeTokens(tokenizer, text);
      return tokens.at(-1) === end ? tokens.subarray(0, -1) : tokens;
    },
  };
}

import { assertToken, type Tokenizer } from './tokenizer.js';

/**
 * A tokenizer with a token that ends a text: itself where it has one, else with one more, the last, which stands for no
 * text.
 */
export function endedTokenizer(tokenizer: Tokenizer): Tokenizer {
  if (tokenizer.end !== undefined && tokenizer.end.length > 0) return tokenizer;
  const end = tokenizer.vocabularySize, vocabularySize = end + 1;
  return {
    ...tokenizer, vocabularySize, end: [end],
    decode: (ids) => tokenizer.decode(Array.from(ids).filter((id) => id !== end)),
    idToToken(id) {
      assertToken(id, vocabularySize, 'ended tokenizer');
      return id === end ? '' : tokenizer.idToToken(id);
    },
    toJSON: () => ({ type: 'ended', tokenizer: tokenizer.toJSON() }),
  };
}

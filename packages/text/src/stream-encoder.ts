import { memory } from './memory.js';
import { safeBorders } from './safe-borders.js';
import { UnknownCharacterError, type Tokenizer } from './tokenizer.js';

/** Encodes a document that comes in chunks. */
export interface StreamEncoder {
  /** Whether a document need not be held whole. */
  readonly cuts: boolean;
  /** How much text is held back, in UTF-16 units. */
  readonly held: number;
  /** Takes more text; gives the tokens of what is settled. */
  push(chunk: string): Uint32Array;
  /** Ends the document: the rest of its tokens. */
  end(): Uint32Array;
}

/** Words whose tokens are remembered until as many others have come, and how long they are, at most. */
const mostWords = 1 << 16, longestWord = 64;
/** So many characters before the end of what there is may be a border once more is there. */
const lookahead = 64;
const none = new Uint32Array(0);

/**
 * The tokens are those of `tokenizer.encode` of the whole document, however it is cut into chunks: a text is cut where the
 * tokenizer is known to look at both sides apart; what has no such place, or a tokenizer of which none are known, is held
 * until the document ends. The tokens of words that come again are remembered.
 */
export function streamEncoder(tokenizer: Tokenizer): StreamEncoder {
  const borders = safeBorders(tokenizer.toJSON()), remember = memory<Uint32Array>(mostWords);
  let rest = '', searched = 1, offset = 0, isFirst = true;

  const encoded = (part: string): Uint32Array => {
    const text = borders?.spaceIsPut && !isFirst ? part.slice(1) : part, start = offset + part.length - text.length;
    isFirst = false;
    offset += part.length;
    const tokens = (): Uint32Array => {
      try {
        return tokenizer.encode(text);
      } catch (error) {
        throw error instanceof UnknownCharacterError ? error.movedBy(start) : error;
      }
    };
    return borders?.words && text.length <= longestWord ? remember(text, tokens) : tokens();
  };
  const encodedWords = (text: string): Uint32Array => {
    if (!borders?.words) return encoded(text);
    const tokens: number[] = [];
    for (let start = 0, at = 1; at <= text.length; at++) {
      if (at < text.length && !borders.isBorder(text, at)) continue;
      for (const token of encoded(text.slice(start, at))) tokens.push(token);
      start = at;
    }
    return Uint32Array.from(tokens);
  };

  return {
    cuts: borders !== undefined,
    get held() { return rest.length; },
    push(chunk) {
      rest += chunk;
      let at = borders ? rest.length : 0;
      while (at >= searched && !borders!.isBorder(rest, at)) at--;
      if (at < searched) {
        searched = Math.max(1, rest.length - lookahead);
        return none;
      }
      const text = rest.slice(0, at);
      rest = rest.slice(at);
      searched = 1;
      return encodedWords(text);
    },
    end() {
      const tokens = rest === '' ? none : encodedWords(rest);
      rest = '';
      searched = 1;
      offset = 0;
      isFirst = true;
      return tokens;
    },
  };
}

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

const none = new Uint32Array(0);

/**
 * The tokens are those of `tokenizer.encode` of the whole document, however it is cut into chunks: a text is cut where the
 * tokenizer is known to look at both sides apart; what has no such place, or a tokenizer of which none are known, is held
 * until the document ends.
 */
export function streamEncoder(tokenizer: Tokenizer): StreamEncoder {
  const borders = safeBorders(tokenizer.toJSON());
  let rest = '', searched = 0, offset = 0, isFirst = true;
  const encoded = (part: string): Uint32Array => {
    const text = borders?.spaceIsPut && !isFirst ? part.slice(1) : part;
    try {
      return tokenizer.encode(text);
    } catch (error) {
      throw error instanceof UnknownCharacterError ? error.movedBy(offset + part.length - text.length) : error;
    } finally {
      isFirst = false;
      offset += part.length;
    }
  };
  return {
    cuts: borders !== undefined,
    get held() { return rest.length; },
    push(chunk) {
      rest += chunk;
      const at = borders?.last(rest, searched) ?? 0;
      if (at === 0) {
        searched = Math.max(1, rest.length - 1);
        return none;
      }
      const part = rest.slice(0, at);
      rest = rest.slice(at);
      searched = 0;
      return encoded(part);
    },
    end() {
      const tokens = rest === '' ? none : encoded(rest);
      rest = '';
      searched = offset = 0;
      isFirst = true;
      return tokens;
    },
  };
}

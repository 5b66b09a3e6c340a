import { assertToken, UnknownCharacterError, type Tokenizer } from './tokenizer.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The 256 bytes of UTF-8 as tokens: every well-formed text can be encoded.
 * `decode` puts U+FFFD where the bytes are not valid UTF-8, as a model's own writing may be.
 */
export function byteTokenizer(): Tokenizer {
  return {
    vocabularySize: 256,
    encode(text) {
      const broken = /\p{Surrogate}/u.exec(text);
      if (broken) {
        throw new UnknownCharacterError('byte tokenizer', broken[0], broken.index, 'half a surrogate pair has no UTF-8 form: leave it out');
      }
      return Uint32Array.from(encoder.encode(text));
    },
    decode(ids) {
      const bytes = new Uint8Array(ids.length);
      for (let i = 0; i < ids.length; i++) {
        assertToken(ids[i]!, 256, 'byte tokenizer');
        bytes[i] = ids[i]!;
      }
      return decoder.decode(bytes);
    },
    idToToken(id) {
      assertToken(id, 256, 'byte tokenizer');
      try {
        return strictDecoder.decode(Uint8Array.of(id));
      } catch {
        return `<0x${id.toString(16).toUpperCase().padStart(2, '0')}>`;
      }
    },
    toJSON: () => ({ type: 'byte' }),
  };
}

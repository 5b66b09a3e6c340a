import type { Tokenizer } from '@ashlar/text';

const replacement = '\uFFFD';
const encoder = new TextEncoder();

/** The UTF-8 bytes that each token stands for inside a text; undefined where it stands for none that can be told. */
export function tokenBytes(tokenizer: Tokenizer): (Uint8Array | undefined)[] {
  const { vocabularySize } = tokenizer, ids = Array.from({ length: vocabularySize }, (_, id) => id);
  // A tokenizer may drop a space that begins a text: tokens are read behind one whose text is plain.
  const before = ids.find((id) => /^[a-z]$/.test(tokenizer.decode([id]))), known = before === undefined ? [] : [before], length = tokenizer.decode(known).length;
  return ids.map((id) => {
    const byte = /^<0x([0-9A-F]{2})>$/.exec(tokenizer.idToToken(id));
    if (byte) return Uint8Array.of(parseInt(byte[1]!, 16));
    const text = tokenizer.decode([...known, id]).slice(length);
    return text === '' || text.includes(replacement) ? undefined : encoder.encode(text);
  });
}

import type { TokenSource, Tokenizer } from '@ashlar/text';

const windowTokens = 1 << 16;

/** How many characters begin among the tokens from the second on: those that a model predicts. */
export function predictedCharacters(source: TokenSource, tokenizer: Tokenizer): number {
  if (tokenizer.toJSON().type !== 'byte') return source.length - 1;
  let characters = 0;
  for (let start = 1; start < source.length; start += windowTokens) {
    const window = new Int32Array(Math.min(windowTokens, source.length - start));
    source.read(start, window);
    for (const byte of window) if ((byte & 0xc0) !== 0x80) characters++;
  }
  return characters;
}

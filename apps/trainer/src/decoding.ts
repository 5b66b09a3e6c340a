import type { TokenSource, Tokenizer } from '@ashlar/text';

const replacement = '\uFFFD';
/** Tokens that one character may take, at most. */
const longestCharacter = 4;

/** The text of tokens as they come: a piece is held back while it ends inside a character. */
export async function* decoded(tokens: AsyncIterable<number>, tokenizer: Tokenizer): AsyncGenerator<string> {
  let pending: number[] = [];
  for await (const token of tokens) {
    pending.push(token);
    const text = tokenizer.decode(pending);
    if (text.endsWith(replacement) && pending.length < longestCharacter) continue;
    pending = [];
    yield text;
  }
  if (pending.length > 0) yield tokenizer.decode(pending);
}

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

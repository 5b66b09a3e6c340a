import type { TokenSource, Tokenizer } from '@ashlar/text';

const windowTokens = 1 << 16;

/** How many characters begin among the tokens from the second on: those that a model predicts. */
export function predictedCharacters(source: TokenSource, tokenizer: Tokenizer): number {
  if (tokenizer.toJSON().type === 'character') return source.length - 1;
  let characters = 0;
  for (let start = 0; start < source.length;) {
    const window = new Int32Array(Math.min(windowTokens + longestCharacter, source.length - start));
    source.read(start, window);
    let length = Math.min(windowTokens, window.length), text = tokenizer.decode(window.subarray(0, length));
    // A character that the border of the window cuts belongs to this window.
    for (let more = 0; more < longestCharacter && length < window.length && text.endsWith('\ufffd'); more++) text = tokenizer.decode(window.subarray(0, ++length));
    characters += countCharacters(text);
    if (start === 0) characters -= notPredicted(text, tokenizer.decode(window.subarray(0, 1)));
    start += length;
  }
  return characters;
}

/** Bytes, and so tokens at most, that a character has after its first. */
const longestCharacter = 3;

/** Characters that begin in the first token, and what is left of one that began before it. */
function notPredicted(text: string, first: string): number {
  const cut = /^\ufffd*/.exec(text)![0].length;
  return cut === 0 ? countCharacters(first) : cut + countCharacters(first.replace(/^\ufffd+/, ''));
}

function countCharacters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

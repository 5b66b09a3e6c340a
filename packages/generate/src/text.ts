import type { Tokenizer } from '@ashlar/text';

const replacement = '\uFFFD';
/** Tokens that one character may take, at most. */
const longestCharacter = 4;

/**
 * The text of tokens as they come: a piece is held back while it ends inside a character. A token is read together with those
 * before it, as tokenizers may write a word otherwise where it begins a text; `before` are the tokens of the text so far.
 */
export async function* decoded<R>(tokens: AsyncGenerator<number, R>, tokenizer: Tokenizer, before: ArrayLike<number> = []): AsyncGenerator<string, R> {
  let known = Array.from(before).slice(-longestCharacter), pending: number[] = [];
  const piece = (): string => tokenizer.decode([...known, ...pending]).slice(tokenizer.decode(known).length);
  try {
    for (;;) {
      const { value, done } = await tokens.next();
      if (done) {
        if (pending.length > 0) yield piece();
        return value;
      }
      pending.push(value);
      const text = piece();
      if (text === '' || (text.endsWith(replacement) && pending.length < longestCharacter)) continue;
      known = pending;
      pending = [];
      yield text;
    }
  } finally {
    await tokens.return(undefined as never);
  }
}

/**
 * The text up to the stop sequence that is whole first (of several, the longest), without it; a piece is held back while it
 * may be the beginning of one. Then `stop`, or how the text ended.
 */
export async function* untilStop<R>(pieces: AsyncGenerator<string, R>, stops: readonly string[]): AsyncGenerator<string, R | 'stop'> {
  if (stops.includes('')) throw new RangeError('generate: a stop sequence must hold at least one character');
  let held = '';
  try {
    for (;;) {
      const { value, done } = await pieces.next();
      if (done) {
        if (held !== '') yield held;
        return value;
      }
      held += value;
      const found = stops.map((stop) => ({ at: held.indexOf(stop), length: stop.length })).filter(({ at }) => at >= 0).sort((a, b) => a.at + a.length - b.at - b.length || a.at - b.at)[0];
      if (found) {
        if (found.at > 0) yield held.slice(0, found.at);
        return 'stop';
      }
      const kept = longestBeginning(held, stops);
      if (kept < held.length) yield held.slice(0, held.length - kept);
      held = held.slice(held.length - kept);
    }
  } finally {
    await pieces.return(undefined as never);
  }
}

/** The length of the longest end of the text with which a stop sequence begins. */
function longestBeginning(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) for (let count = Math.min(stop.length - 1, text.length); count > longest; count--) if (text.endsWith(stop.slice(0, count))) longest = count;
  return longest;
}

import type { CharSet } from 'refa';

const continuation = { low: 0x80, high: 0xbf };
const surrogates = { min: 0xd800, max: 0xdfff };
/** The last code points whose UTF-8 has 1, 2, 3 and 4 bytes. */
const lastOfLength = [0x7f, 0x7ff, 0xffff, 0x10ffff];
const encoder = new TextEncoder();

export type ByteRange = { readonly low: number; readonly high: number };

/** A set of characters as sequences of ranges of bytes: those of their UTF-8. */
export function byteSequences(characters: CharSet): ByteRange[][] {
  const sequences: ByteRange[][] = [];
  for (const { min, max } of characters.without(surrogates).ranges) {
    for (let low = min; low <= max;) {
      const high = Math.min(max, lastOfLength.find((last) => low <= last)!);
      sequences.push(...between([...encoder.encode(String.fromCodePoint(low))], [...encoder.encode(String.fromCodePoint(high))]));
      low = high + 1;
    }
  }
  return sequences;
}

/** The sequences of byte ranges that make up all from one character's bytes to another's of the same length. */
function between([first, ...rest]: number[], [last, ...end]: number[]): ByteRange[][] {
  let low = first!, high = last!;
  if (rest.length === 0) return [[{ low, high }]];
  if (low === high) return between(rest, end).map((sequence) => [{ low, high }, ...sequence]);
  const from = rest.map(() => continuation.low), to = rest.map(() => continuation.high), sequences: ByteRange[][] = [], tail: ByteRange[][] = [];
  if (rest.some((byte) => byte !== continuation.low)) {
    const at = low++;
    sequences.push(...between(rest, to).map((sequence) => [{ low: at, high: at }, ...sequence]));
  }
  if (end.some((byte) => byte !== continuation.high)) {
    const at = high--;
    tail.push(...between(from, end).map((sequence) => [{ low: at, high: at }, ...sequence]));
  }
  if (low <= high) sequences.push([{ low, high }, ...rest.map(() => continuation)]);
  return [...sequences, ...tail];
}

import type { ScoredPieces } from './scored-pieces-tokenizer.js';

/** A piece of a tokenizer that llama2.c trained is much shorter. */
const longestPiece = 1 << 16;

/**
 * The vocabulary of a tokenizer file of llama2.c (`tokenizer.bin`, `tok512.bin`): the longest piece's length (i32), then of
 * each token a score (f32), a length (i32) and so many bytes of UTF-8; little-endian. Tokens 1 and 2 begin and end a text.
 *
 * @param source For errors: the file's name.
 * @throws {Error} where the file is no such file.
 */
export function parseLlama2cTokenizer(bytes: Uint8Array, source = 'tokenizer.bin'): ScoredPieces {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const fail = (problem: string): Error => new Error(`${source}: ${problem}: it is no tokenizer file of llama2.c`);
  if (bytes.length < 4) throw fail(`it has ${bytes.length} bytes, and 4 are the least`);
  const longest = view.getInt32(0, true);
  if (longest < 1 || longest > longestPiece) throw fail(`the longest piece must have 1 to ${longestPiece} bytes, it says ${longest}`);
  const pieces: string[] = [], scores: number[] = [];
  for (let at = 4; at < bytes.length;) {
    if (at + 8 > bytes.length) throw fail(`it ends inside token ${pieces.length}`);
    const score = view.getFloat32(at, true), length = view.getInt32(at + 4, true);
    if (!Number.isFinite(score)) throw fail(`the score of token ${pieces.length} must be a number, got ${score}`);
    if (length < 0 || length > longest) throw fail(`token ${pieces.length} must have 0 to ${longest} bytes, it says ${length}`);
    at += 8 + length;
    if (at > bytes.length) throw fail(`it ends inside token ${pieces.length}`);
    try {
      pieces.push(decoder.decode(bytes.subarray(at - length, at)));
    } catch {
      throw fail(`token ${pieces.length} is not valid UTF-8`);
    }
    scores.push(score);
  }
  if (pieces.length < 3) throw fail(`it has ${pieces.length} tokens, and 3 are the least`);
  return { pieces, scores, begin: 1, end: 2 };
}

import { assertToken, type Tokenizer } from './tokenizer.js';

/** A vocabulary of pieces of text, each with a score. */
export interface ScoredPieces {
  /** By token number. Pieces `<0x00>` to `<0xFF>`, if there are, stand for bytes. */
  readonly pieces: readonly string[];
  /** Of pieces side by side, those with the highest-scored union are joined first. */
  readonly scores: readonly number[];
  /** The token before a text, and the one after it; neither has text of its own. */
  readonly begin?: number;
  readonly end?: number;
}

const encoder = new TextEncoder(), decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const bytePattern = /^<0x([0-9A-F]{2})>$/;
const bytePiece = (byte: number): string => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;

/** The token numbers of the 256 bytes. @throws {Error} where the vocabulary has only some of them. */
export function byteTokens(pieces: readonly string[]): readonly number[] | undefined {
  const found = Array.from({ length: 256 }, (_, byte) => pieces.indexOf(bytePiece(byte)));
  const missing = found.indexOf(-1);
  if (missing >= 0 && found.some((id) => id >= 0)) throw new Error(`scoredPiecesTokenizer: the vocabulary has pieces for some bytes, but none for ${bytePiece(missing)}`);
  return missing < 0 ? found : undefined;
}

/**
 * Byte-pair encoding by the scores of pieces, as SentencePiece does for Llama and llama2.c: a space is put before the text,
 * each character begins as a piece of its own (what has none, as its bytes), and neighbours are joined, best score first,
 * of equals the first, while their union is a piece. Kudo and Richardson 2018, arXiv 1808.06226.
 *
 * @throws {Error} where pieces and scores differ in number, or the vocabulary lacks a space or some of the bytes.
 */
export function scoredPiecesTokenizer({ pieces, scores, begin, end }: ScoredPieces): Tokenizer {
  const name = 'scored-pieces tokenizer', ids = new Map<string, number>();
  if (pieces.length !== scores.length) throw new Error(`scoredPiecesTokenizer: each piece needs a score, got ${pieces.length} pieces and ${scores.length} scores`);
  pieces.forEach((piece, id) => { if (!ids.has(piece)) ids.set(piece, id); });
  for (const [which, id] of Object.entries({ begin, end })) if (id !== undefined) assertToken(id, pieces.length, `${name}, ${which}`);
  const bytes = byteTokens(pieces), byteOf = new Map((bytes ?? []).map((id, byte) => [id, byte])), space = ids.get(' ');
  if (!bytes) throw new Error('scoredPiecesTokenizer: the vocabulary needs pieces <0x00> to <0xFF>, for characters that it lacks');
  if (space === undefined) throw new Error('scoredPiecesTokenizer: the vocabulary needs a piece for the space, which stands before every text');
  const textOf = pieces.map((piece, id) => (id === begin || id === end ? new Uint8Array(0) : bytePattern.test(piece) ? Uint8Array.of(byteOf.get(id)!) : encoder.encode(piece)));

  return {
    vocabularySize: pieces.length,
    ...(begin === undefined ? {} : { begin }),
    // A token that begins a text ends the one before it.
    ...(end === undefined ? {} : { end: begin === undefined ? [end] : [end, begin] }),
    encode(text) {
      if (text === '') return new Uint32Array(0);
      const tokens = [space];
      for (const character of text) {
        const id = ids.get(character);
        if (id === undefined) for (const byte of encoder.encode(character)) tokens.push(bytes[byte]!);
        else tokens.push(id);
      }
      return merged(tokens, pieces, scores, ids);
    },
    decode(list) {
      const parts: Uint8Array[] = [];
      for (let i = 0; i < list.length; i++) {
        assertToken(list[i]!, pieces.length, name);
        const part = textOf[list[i]!]!;
        // The space that was put before the text.
        parts.push(i === 1 && list[0] === begin && part[0] === 0x20 ? part.subarray(1) : part);
      }
      const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
      let at = 0;
      for (const part of parts) {
        all.set(part, at);
        at += part.length;
      }
      return decoder.decode(all);
    },
    idToToken(id) {
      assertToken(id, pieces.length, name);
      return pieces[id]!;
    },
    toJSON: () => ({ type: 'scoredPieces', pieces, scores, ...(begin === undefined ? {} : { begin }), ...(end === undefined ? {} : { end }) }),
  };
}

/** A union of two neighbours that waits for its turn. */
interface Candidate { readonly score: number; readonly left: number; readonly right: number; readonly leftToken: number; readonly rightToken: number; readonly union: number }

/** Joins neighbours until no union is a piece: n log n for n tokens. */
function merged(tokens: number[], pieces: readonly string[], scores: readonly number[], ids: ReadonlyMap<string, number>): Uint32Array {
  const next = tokens.map((_, i) => i + 1), before = tokens.map((_, i) => i - 1), waiting = new Heap();
  const offer = (left: number, right: number): void => {
    if (left < 0 || right >= tokens.length) return;
    const leftToken = tokens[left]!, rightToken = tokens[right]!, union = ids.get(pieces[leftToken]! + pieces[rightToken]!);
    if (union !== undefined) waiting.push({ score: scores[union]!, left, right, leftToken, rightToken, union });
  };
  for (let i = 0; i + 1 < tokens.length; i++) offer(i, i + 1);
  for (let best = waiting.pop(); best; best = waiting.pop()) {
    const { left, right, leftToken, rightToken, union } = best;
    // One of the two has been joined with another since.
    if (tokens[left] !== leftToken || tokens[right] !== rightToken || next[left] !== right) continue;
    tokens[left] = union;
    tokens[right] = gone;
    next[left] = next[right]!;
    if (next[left]! < tokens.length) before[next[left]!] = left;
    offer(before[left]!, left);
    offer(left, next[left]!);
  }
  return Uint32Array.from(tokens.filter((token) => token !== gone));
}

const gone = -1;

/** Candidates, the highest score first, of equals the one furthest to the left. */
class Heap {
  readonly #items: Candidate[] = [];

  push(candidate: Candidate): void {
    const items = this.#items;
    let at = items.push(candidate) - 1;
    for (; at > 0; at = (at - 1) >> 1) {
      const parent = items[(at - 1) >> 1]!;
      if (!goesFirst(candidate, parent)) break;
      items[at] = parent;
    }
    items[at] = candidate;
  }

  pop(): Candidate | undefined {
    const items = this.#items, first = items[0], last = items.pop();
    if (last === undefined || items.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && goesFirst(items[child + 1]!, items[child]!)) child++;
      if (!goesFirst(items[child]!, last)) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = last;
    return first;
  }
}

const goesFirst = (a: Candidate, b: Candidate): boolean => a.score > b.score || (a.score === b.score && a.left < b.left);

import TinyQueue from 'tinyqueue';
import { gpt2Border, gpt2Words } from './gpt2-words.js';
import { bytePairForm, byteCharacters, endOfText } from './hugging-face-form.js';
import { huggingFaceTokenizer } from './hugging-face-tokenizer.js';
import type { Tokenizer } from './tokenizer.js';

export interface BytePairTrainingOptions {
  /** V, at most: 256 bytes, the pairs learned, and the token that ends a text, which is the last. */
  readonly vocabularySize: number;
  /** A pair that occurs less often is not learned. Default 2. */
  readonly minimumCount?: number;
}

interface Candidate { readonly left: number; readonly right: number; readonly count: number }

/**
 * Learns a byte-level vocabulary: begins with the 256 bytes and, time and again, makes a token of the pair of neighbours
 * that occurs most often; of equals, the one whose first token (then second) is older. Sennrich, Haddow, Birch 2016, arXiv
 * 1508.07909; over bytes as Radford et al. 2019 (GPT-2).
 *
 * The result encodes any text; `huggingFaceForm` is its `tokenizer.json`. Each of the `texts` is a text of its own.
 * @throws {RangeError} where vocabularySize is less than 257.
 */
export function trainBytePairs(texts: Iterable<string>, options: BytePairTrainingOptions): Tokenizer {
  const counter = wordCounter();
  for (const text of texts) {
    counter.push(text);
    counter.end();
  }
  return learnFromWords(counter.counts, options);
}

/** Counts the words of texts that come in chunks. */
export function wordCounter(): { readonly counts: ReadonlyMap<string, number>; push(chunk: string): void; end(): void } {
  const counts = new Map<string, number>();
  let rest = '', searched = 0;
  const count = (text: string): void => { for (const [word] of text.matchAll(gpt2Words)) counts.set(word, (counts.get(word) ?? 0) + 1); };
  return {
    counts,
    push(chunk) {
      rest += chunk;
      const at = gpt2Border(rest, searched);
      count(rest.slice(0, at));
      rest = rest.slice(at);
      searched = Math.max(1, rest.length - 1);
    },
    end() {
      count(rest);
      rest = '';
      searched = 0;
    },
  };
}

/** Learns from words and how often each occurs; see `trainBytePairs`. */
export function learnFromWords(words: ReadonlyMap<string, number>, { vocabularySize, minimumCount = 2 }: BytePairTrainingOptions): Tokenizer {
  if (!Number.isInteger(vocabularySize) || vocabularySize < 257) throw new RangeError(`trainBytePairs: vocabularySize must be a whole number from 257 (256 bytes and ${endOfText}), got ${vocabularySize}`);
  if (!Number.isInteger(minimumCount) || minimumCount < 1) throw new RangeError(`trainBytePairs: minimumCount must be a whole number from 1, got ${minimumCount}`);
  const pairs = new Pairs(words), pieces = [...byteCharacters], merges: [string, string][] = [];
  while (pieces.length < vocabularySize - 1) {
    const best = pairs.takeMostFrequent();
    if (best === undefined || best.count < minimumCount) break;
    merges.push([pieces[best.left]!, pieces[best.right]!]);
    pairs.merge(best, pieces.length);
    pieces.push(pieces[best.left]! + pieces[best.right]!);
  }
  return huggingFaceTokenizer({ ...bytePairForm({ vocabulary: pieces, merges, endOfText }), end: [pieces.length] });
}

/** Different words as lists of tokens, and how often each pair of neighbours occurs in all of them. */
class Pairs {
  readonly #words: Uint32Array[] = [];
  readonly #wordCounts: number[] = [];
  readonly #counts = new Map<number, number>();
  /** The words that a pair has been in; it may have left some. */
  readonly #places = new Map<number, Set<number>>();
  /** A candidate whose count is no longer true is put back with the one that is when it comes first. */
  readonly #queue: TinyQueue<Candidate>;

  constructor(counts: ReadonlyMap<string, number>) {
    const encoder = new TextEncoder();
    for (const [word, count] of counts) {
      const index = this.#words.push(Uint32Array.from(encoder.encode(word))) - 1;
      this.#wordCounts.push(count);
      this.#addPairs(index, this.#words[index]!, 1);
    }
    const candidates = [...this.#counts].map(([key, count]) => candidate(key, count));
    this.#queue = new TinyQueue(candidates, (a, b) => b.count - a.count || a.left - b.left || a.right - b.right);
  }

  takeMostFrequent(): Candidate | undefined {
    for (let first = this.#queue.pop(); first; first = this.#queue.pop()) {
      const count = this.#counts.get(keyOf(first.left, first.right)) ?? 0;
      if (count === first.count) return first;
      if (count > 0) this.#queue.push({ ...first, count });
    }
    return undefined;
  }

  /** Puts one token in the place of a pair, wherever it stands, from left to right. */
  merge({ left, right }: Candidate, token: number): void {
    const key = keyOf(left, right), grown = new Set<number>();
    for (const index of this.#places.get(key) ?? []) {
      const before = this.#words[index]!, after = merged(before, left, right, token);
      if (after.length === before.length) continue;
      this.#addPairs(index, before, -1);
      this.#words[index] = after;
      this.#addPairs(index, after, 1, (pair, one, other) => { if (one === token || other === token) grown.add(pair); });
    }
    this.#places.delete(key);
    this.#counts.delete(key);
    for (const pair of grown) this.#queue.push(candidate(pair, this.#counts.get(pair)!));
  }

  #addPairs(index: number, word: Uint32Array, sign: 1 | -1, seen?: (pair: number, left: number, right: number) => void): void {
    const change = sign * this.#wordCounts[index]!;
    for (let i = 1; i < word.length; i++) {
      const key = keyOf(word[i - 1]!, word[i]!);
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + change);
      if (sign < 0) continue;
      const places = this.#places.get(key);
      if (places) places.add(index);
      else this.#places.set(key, new Set([index]));
      seen?.(key, word[i - 1]!, word[i]!);
    }
  }
}

/** Two token numbers, each below 2²⁶, as one. */
const keyOf = (left: number, right: number): number => left * 2 ** 26 + right;
const candidate = (key: number, count: number): Candidate => ({ left: Math.floor(key / 2 ** 26), right: key % 2 ** 26, count });

function merged(word: Uint32Array, left: number, right: number, token: number): Uint32Array {
  const result: number[] = [];
  for (let i = 0; i < word.length; i++) {
    if (word[i] === left && word[i + 1] === right) {
      result.push(token);
      i++;
    } else result.push(word[i]!);
  }
  return Uint32Array.from(result);
}

/** A sequence of token numbers that may be larger than memory. */
export interface TokenSource {
  readonly length: number;
  /** Fills `into` with the tokens from `start` on. Throws a RangeError where that goes past the end. */
  read(start: number, into: Int32Array): void;
}

/** Tokens held in memory (not copied). */
export function tokenArray(tokens: Uint32Array | Int32Array): TokenSource {
  return {
    length: tokens.length,
    read(start, into) {
      assertWindow(start, into.length, tokens.length);
      into.set(tokens.subarray(start, start + into.length));
    },
  };
}

/** The contiguous part of `source` from `start` (inclusive) to `end` (exclusive). */
export function sliceTokens(source: TokenSource, start: number, end: number): TokenSource {
  assertWindow(start, end - start, source.length);
  return {
    length: end - start,
    read(at, into) {
      assertWindow(at, into.length, end - start);
      source.read(start + at, into);
    },
  };
}

/** Texts of their own as tokens, which may be larger than memory. */
export interface TokenDocuments {
  /** Of each, in tokens. */
  readonly lengths: Uint32Array;
  /** The tokens of one. */
  at(index: number): TokenSource;
}

/** Documents that lie one after the other, or are in memory. */
export function tokenDocuments(documents: TokenDocuments | readonly Uint32Array[] | { readonly tokens: TokenSource; readonly lengths: Uint32Array }): TokenDocuments {
  if ('at' in documents && 'lengths' in documents) return documents;
  if (!('tokens' in documents)) return { lengths: Uint32Array.from(documents, ({ length }) => length), at: (index) => tokenArray(documents[index]!) };
  const { tokens, lengths } = documents, starts = new Float64Array(lengths.length + 1);
  for (let i = 0; i < lengths.length; i++) starts[i + 1] = starts[i]! + lengths[i]!;
  return { lengths, at: (index) => sliceTokens(tokens, starts[index]!, starts[index + 1]!) };
}

/**
 * Divides documents, in order, into those to train on, floor(N · (1 − validation)) of them, and the others, which are held out.
 * @throws Error where `validation` is out of range, or a side that was asked for would be empty.
 */
export function splitDocuments({ lengths, at }: TokenDocuments, { validation }: SplitOptions): { train: TokenDocuments; validation: TokenDocuments } {
  const head = headLength(lengths.length, validation, 'documents');
  return { train: { lengths: lengths.subarray(0, head), at }, validation: { lengths: lengths.subarray(head), at: (index) => at(head + index) } };
}

export interface SplitOptions {
  /** The fraction held out, at least 0 and below 1. */
  readonly validation: number;
}

/**
 * Divides tokens, in order, into a head to train on, floor(N · (1 − validation)) tokens long, and the tail that is held out.
 *
 * @throws Error where `validation` is out of range, or a side that was asked for would be empty.
 */
export function split(tokens: Tokens, { validation }: SplitOptions): { train: TokenSource; validation: TokenSource } {
  const source = tokenSource(tokens);
  const head = headLength(source.length, validation, 'tokens');
  return { train: sliceTokens(source, 0, head), validation: sliceTokens(source, head, source.length) };
}

function headLength(length: number, validation: number, what: string): number {
  if (!(validation >= 0 && validation < 1)) throw new Error(`split: validation must be a fraction from 0 to below 1, got ${validation}`);
  const head = Math.floor(length * (1 - validation));
  if (head === 0 || (validation > 0 && head === length)) throw new Error(`split: ${length} ${what} cannot be divided with validation ${validation}: one side would be empty; use a longer text`);
  return head;
}

/** Tokens in memory or behind a source. */
export type Tokens = TokenSource | Uint32Array | Int32Array;

/** The source itself, or one over an array. */
export function tokenSource(tokens: Tokens): TokenSource {
  return tokens instanceof Uint32Array || tokens instanceof Int32Array ? tokenArray(tokens) : tokens;
}

/** Throws a RangeError unless the window lies inside a sequence of `length` tokens. */
export function assertWindow(start: number, size: number, length: number): void {
  if (!Number.isSafeInteger(start) || start < 0 || size < 0 || start + size > length) {
    throw new RangeError(`tokens: window of ${size} from ${start} does not lie inside the ${length} tokens`);
  }
}

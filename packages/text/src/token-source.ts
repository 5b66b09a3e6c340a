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
  if (!(validation >= 0 && validation < 1)) throw new Error(`split: validation must be a fraction from 0 to below 1, got ${validation}`);
  const head = Math.floor(source.length * (1 - validation));
  if (head === 0 || (validation > 0 && head === source.length)) {
    throw new Error(`split: ${source.length} tokens cannot be divided with validation ${validation}: one side would be empty; use a longer text`);
  }
  return { train: sliceTokens(source, 0, head), validation: sliceTokens(source, head, source.length) };
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

import { arange, where, type Tensor } from '@ashlar/tensor';
import type { Positions } from '@ashlar/nn';

/** What may be said of the tokens [B, T] of a sequence, beside what they are. */
export interface SequenceInput {
  /** Default 0, 1, …; `restart`: from 0 in each document of `segments`. */
  readonly positions?: Positions | 'restart' | undefined;
  /**
   * The number of each token's document, i32 [B, T]: a token sees its own document alone. A document's tokens stand
   * together, and no two documents of a row have the same number. For attention with `packing`.
   */
  readonly segments?: Tensor | undefined;
  /** Which tokens are padding, that no other token may see: bool [B, T]. For attention with `keyPadding`. */
  readonly padding?: Tensor | undefined;
  /** How many tokens of each row, the first ones, see each other both ways: i32 [B]. For causal attention with `prefix`. */
  readonly prefix?: Tensor | undefined;
  /** The kind of each token, i32 [B, T]; default 0. For models with `tokenTypes`. */
  readonly tokenTypes?: Tensor | undefined;
}

/** @throws {TypeError} naming what has another shape or dtype than it must have beside tokens [B, T]. */
export function checkSequenceInput(owner: string, tokens: Tensor, { segments, padding, prefix, tokenTypes }: SequenceInput): void {
  if (tokens.rank !== 2) throw new TypeError(`${owner}: tokens must be [B, T], got [${tokens.shape.join(', ')}]`);
  const whole = tokens.shape, rows = whole.slice(0, 1);
  for (const [name, given, dtype, shape] of [['segments', segments, 'i32', whole], ['padding', padding, 'bool', whole], ['prefix', prefix, 'i32', rows], ['tokenTypes', tokenTypes, 'i32', whole]] as const) {
    if (given && (given.dtype !== dtype || given.shape.join() !== shape.join())) throw new TypeError(`${owner}: ${name} must be ${dtype} [${shape.join(', ')}], got ${given.dtype} [${given.shape.join(', ')}]`);
  }
}

/** The positions of a sequence of T tokens. @throws {TypeError} where they restart and there are no segments. */
export function positionsOf(owner: string, { positions = 0, segments }: SequenceInput): Positions {
  if (positions !== 'restart') return positions;
  if (!segments) throw new TypeError(`${owner}: positions restart where a document begins; give segments [B, T] too`);
  return documentPositions(segments);
}

/** Where each token stands in its document: segments [B, T] give i32 [B, T]. */
export function documentPositions(segments: Tensor): Tensor {
  const [B, T] = segments.shape as [number, number], place = arange(T);
  if (T === 1) return place.reshape([1, 1]).broadcastTo([B, 1]);
  const begins = segments.slice(undefined, [1, T]).ne(segments.slice(undefined, [0, T - 1])).pad(undefined, [1, 0]);
  let first = where(begins, place, 0);
  // The greatest so far, of twice as many tokens in each round.
  for (let reach = 1; reach < T; reach *= 2) first = first.maximum(first.slice(undefined, [0, T - reach]).pad(undefined, [reach, 0]));
  return place.sub(first);
}

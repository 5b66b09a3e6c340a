/** Sequences cut into chunks of equal length. Axis letters: B batch, H heads, T tokens, N chunks, C tokens of a chunk. */
import { arange, type Tensor } from '@ashlar/tensor';

/** Longest chunk: scores are computed inside a chunk, a state is passed from chunk to chunk. */
export const longestChunk = 64;

export interface Chunks {
  /** N */
  readonly count: number;
  /** C, a power of two. */
  readonly length: number;
}

/** As few chunks as hold T tokens. */
export function chunksOf(tokens: number): Chunks {
  const length = Math.min(longestChunk, 2 ** Math.ceil(Math.log2(tokens)));
  return { count: Math.ceil(tokens / length), length };
}

/** x [B, H, T, …] → [B, H, N, C, …]; what is missing to the last chunk is 0. */
export function cut(x: Tensor, { count, length }: Chunks): Tensor {
  const [B, H, T, ...rest] = x.shape as [number, number, number, ...number[]];
  const whole = T === count * length ? x : x.pad(undefined, undefined, [0, count * length - T]);
  return whole.reshape([B, H, count, length, ...rest]);
}

/** x […, N, C, E] → […, T, E] */
export function join(x: Tensor, tokens: number): Tensor {
  const leading = x.shape.slice(0, -3), [N, C, E] = x.shape.slice(-3) as [number, number, number];
  return x.reshape([...leading, N * C, E]).slice(...leading.map(() => undefined), [0, tokens]);
}

/** bool [C, C]: whether row i comes after column j, or is it. */
export const notBefore = (length: number): Tensor => arange(length).reshape([length, 1]).ge(arange(length));
/** bool [C, C]: whether row i comes after column j. */
export const after = (length: number): Tensor => arange(length).reshape([length, 1]).gt(arange(length));
/** f32 [D, D] */
export const identity = (width: number): Tensor => arange(width).reshape([width, 1]).eq(arange(width)).cast('f32');

/** Sums from the first to each of the last axis: […, C]. */
export const runningSums = (x: Tensor): Tensor => x.matmul(notBefore(x.shape.at(-1)!).cast('f32').transpose());

/** The last of an axis, which stays with size 1. */
export const lastOf = (x: Tensor, axis: number): Tensor => x.slice(...x.shape.map((size, i) => (i === (axis < 0 ? axis + x.rank : axis) ? [size - 1, size] as const : undefined)));

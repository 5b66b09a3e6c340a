/** Where documents that share a row begin and end among its chunks. Axis letters as in `chunks.ts`. */
import { zeros, type Tensor } from '@ashlar/tensor';
import { cut, lastOf, type Chunks } from './chunks.js';

export interface Documents {
  /** Whether two tokens of a chunk are of one document: bool [B, …, N, C, C]. */
  readonly same: Tensor;
  /** 1 where a token's document was there before its chunk, else 0: f32 [B, …, N, C, 1]. */
  readonly continued: Tensor;
  /** 1 where a token's document is there to the end of its chunk, else 0: f32 [B, …, N, C, 1]. */
  readonly open: Tensor;
  /** 1 where a chunk ends in another document than the chunk before it, so that no state passes, else 0: f32 [B, …, N]. */
  readonly resets: Tensor;
}

/** @param segments The number of each token's document, i32 [B, T]. @param axes How many axes of size 1 stand for heads. */
export function documentsOf(segments: Tensor, chunks: Chunks, axes: number): Documents {
  const { count: N, length: C } = chunks, [B, T] = segments.shape as [number, number], shape = [B, ...Array.from({ length: axes }, () => 1), N, C];
  const own = cut(segments.reshape([B, 1, T]), chunks).reshape([B, N, C]), last = lastOf(own, -1);
  // Before the first chunk there is no document.
  const before = N === 1 ? undefined : last.slice(undefined, [0, N - 1]), none = [undefined, [1, 0]] as const;
  const continues = (of: Tensor): Tensor => (before ? of.slice(undefined, [1, N]).eq(before).cast('f32').pad(...none) : zeros(of.shape));
  return {
    same: own.reshape([...shape, 1]).eq(own.reshape([...shape.slice(0, -1), 1, C])),
    continued: continues(own).reshape([...shape, 1]),
    open: own.eq(last).cast('f32').reshape([...shape, 1]),
    resets: continues(last).neg().add(1).reshape(shape.slice(0, -1)),
  };
}

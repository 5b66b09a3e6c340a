import type { Tensor } from '@ashlar/tensor';
import type { Mask } from './mask.js';

/** Tokens see those of their own document: segments, i32 [B, T], says which that is. Queries and keys are the same tokens. */
export const sameSegment = (segments: Tensor): Mask => () => {
  const [B, T] = segments.shape as [number, number];
  return segments.reshape([B, 1, T, 1]).eq(segments.reshape([B, 1, 1, T]));
};

import type { MaskMod } from '@ashlar/tensor';

/**
 * Which scores count: a plain function of where a score is, `({ b, h, q, k }) => bool tensor`. `q` and `k` are places in
 * the sequence, of its tokens from 0.
 */
export interface Mask extends MaskMod {
  /**
   * A promise: no query sees a key after it, nor one that stands `reach` or more before it (Infinity: any), so that a
   * cache may forget it. Absent: unknown.
   */
  readonly reach?: number;
}

/** A mask with a promise about its reach. */
export const reaching = (reach: number, mask: MaskMod): Mask => Object.assign((point: Parameters<MaskMod>[0]) => mask(point), { reach });

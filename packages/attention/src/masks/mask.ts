import type { MaskMod, ScoreMod } from '@ashlar/tensor';

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
  /**
   * A promise: it depends on how far apart query and key stand, not on where they stand, so that a document sees in a row
   * with others what it sees alone. Absent: unknown.
   */
  readonly relative?: boolean;
}

/** A mask with a promise about its reach. */
export const reaching = (reach: number, mask: Mask): Mask => Object.assign((point: Parameters<MaskMod>[0]) => mask(point), { ...mask, reach });

/** A mask, or a score mod, with the promise that it depends on q − k alone. */
export const relative = <Mod extends MaskMod | ScoreMod>(mod: Mod): Mod & { readonly relative: true } =>
  Object.assign((point: never) => mod(point), { ...mod, relative: true }) as unknown as Mod & { readonly relative: true };

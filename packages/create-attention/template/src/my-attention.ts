import { multiHead, reaching, relative, type Mask, type MultiHeadOptions } from '@ashlar/attention';
import { requireCount, type AttentionVariant } from '@ashlar/nn';
import type { ScoreMod } from '@ashlar/tensor';

export interface MyAttentionOptions extends Omit<MultiHeadOptions, 'causal' | 'mask' | 'score'> {
  /** How many keys a query sees, itself included. */
  readonly windowKeys: number;
  /** By how much a score falls for each token that stands between key and query. */
  readonly fade: number;
}

/**
 * 0 ≤ q − k < windowKeys. Two promises: no query sees a key so far before it (`reaching`), so that a cache may forget it;
 * places count by their difference alone (`relative`), so that documents may share a row.
 */
const nearby = (windowKeys: number): Mask => relative(reaching(windowKeys, ({ q, k }) => k.le(q).and(q.sub(k).lt(windowKeys))));

/** score − fade · (q − k) */
const fading = (fade: number) => relative<ScoreMod>(({ score, q, k }) => score.sub(q.sub(k).cast('f32').mul(fade)));

/**
 * softmax(scale · Q Kᵀ − fade · (q − k), over 0 ≤ q − k < windowKeys) V in H heads; x [B, T, C] → [B, T, C]. Unpublished.
 * @throws {RangeError} where windowKeys is not a whole number from 1, fade is no number, or another option cannot be.
 */
export function myAttention({ windowKeys, fade, ...options }: MyAttentionOptions): AttentionVariant {
  requireCount('myAttention', 'windowKeys', windowKeys);
  if (!Number.isFinite(fade)) throw new RangeError(`myAttention: fade must be a number, got ${fade}`);
  return multiHead({ ...options, mask: nearby(windowKeys), score: fading(fade) }, 'myAttention');
}

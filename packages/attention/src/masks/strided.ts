import { requireCount } from '@ashlar/nn';
import { reaching, relative, type Mask } from './mask.js';

export interface StridedOptions { readonly stride: number }

/**
 * A query sees itself, the stride − 1 keys before it, and every stride-th key before it: 0 ≤ q − k, less than stride or a
 * multiple of it. The strided pattern of the Sparse Transformer (both of its heads in one), Child et al. 2019, arXiv
 * 1904.10509.
 * @throws {RangeError} where stride is not a whole number from 1.
 */
export function strided({ stride }: StridedOptions): Mask {
  requireCount('strided', 'stride', stride);
  return relative(reaching(Infinity, ({ q, k }) => k.le(q).and(q.sub(k).lt(stride).or(q.sub(k).mod(stride).eq(0)))));
}

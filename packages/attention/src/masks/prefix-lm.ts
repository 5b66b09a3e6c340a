import { requireCount } from '@ashlar/nn';
import type { Mask } from './mask.js';

/**
 * The first `length` tokens see each other both ways; those after them see what stands before: k ≤ q or k < length.
 * Raffel et al. 2019, arXiv 1910.10683.
 * @throws {RangeError} where length is not a whole number from 1.
 */
export function prefixLm(length: number): Mask {
  requireCount('prefixLm', 'length', length);
  return ({ q, k }) => k.le(q).or(k.lt(length));
}

import { requireCount } from '@ashlar/nn';
import type { Mask } from './mask.js';

/**
 * A query sees the keys of its own block of `size`: ⌊q / size⌋ = ⌊k / size⌋. With `and(causal, …)`: chunked attention.
 * @throws {RangeError} where size is not a whole number from 1.
 */
export function blockLocal(size: number): Mask {
  requireCount('blockLocal', 'size', size);
  return ({ q, k }) => q.div(size).eq(k.div(size));
}

import { requireCount } from '@ashlar/nn';
import type { Mask } from './mask.js';

/**
 * The first `count` tokens see all and are seen by all: q < count or k < count. Joined to a window: `or(slidingWindow(128), globalTokens(4))`.
 * Beltagy et al. 2020, arXiv 2004.05150; Zaheer et al. 2020, arXiv 2007.14062.
 * @throws {RangeError} where count is not a whole number from 1.
 */
export function globalTokens(count: number): Mask {
  requireCount('globalTokens', 'count', count);
  return ({ q, k }) => q.lt(count).or(k.lt(count));
}

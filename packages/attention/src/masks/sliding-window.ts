import { requireCount } from '@ashlar/nn';
import { reaching, relative, type Mask } from './mask.js';

/**
 * A query sees `windowKeys` keys: itself and the windowKeys − 1 before it; 0 ≤ q − k < windowKeys. As Mistral 7B, Jiang
 * et al. 2023, arXiv 2310.06825.
 * @throws {RangeError} where windowKeys is not a whole number from 1.
 */
export function slidingWindow(windowKeys: number): Mask {
  requireCount('slidingWindow', 'windowKeys', windowKeys);
  return relative(reaching(windowKeys, ({ q, k }) => k.le(q).and(q.sub(k).lt(windowKeys))));
}

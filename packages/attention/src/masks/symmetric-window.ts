import { requireCount } from '@ashlar/nn';
import { relative, type Mask } from './mask.js';

/**
 * A query sees `windowKeys` keys: itself and (windowKeys − 1) / 2 on either side; |q − k| ≤ (windowKeys − 1) / 2.
 * Longformer's window, Beltagy et al. 2020, arXiv 2004.05150.
 * @throws {RangeError} where windowKeys is not odd.
 */
export function symmetricWindow(windowKeys: number): Mask {
  requireCount('symmetricWindow', 'windowKeys', windowKeys);
  if (windowKeys % 2 === 0) throw new RangeError(`symmetricWindow: windowKeys must be odd (as many on either side, and itself), got ${windowKeys}`);
  const side = (windowKeys - 1) / 2;
  return relative(({ q, k }) => q.sub(k).le(side).and(k.sub(q).le(side)));
}

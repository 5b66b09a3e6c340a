import { requireCount } from '@ashlar/nn';
import { reaching, relative, type Mask } from './mask.js';

export interface DilatedWindowOptions {
  /** How many keys a query sees, itself included. */
  readonly windowKeys: number;
  /** How far apart they stand; 1 is a sliding window. */
  readonly dilation: number;
}

/**
 * A query sees `windowKeys` keys, itself and every `dilation`-th before it:
 * 0 ≤ q − k < windowKeys · dilation, a multiple of dilation. Beltagy et al. 2020, arXiv 2004.05150.
 * @throws {RangeError} where a number is not whole and from 1.
 */
export function dilatedWindow({ windowKeys, dilation }: DilatedWindowOptions): Mask {
  requireCount('dilatedWindow', 'windowKeys', windowKeys);
  requireCount('dilatedWindow', 'dilation', dilation);
  return relative(reaching((windowKeys - 1) * dilation + 1, ({ q, k }) => k.le(q).and(q.sub(k).lt(windowKeys * dilation)).and(q.sub(k).mod(dilation).eq(0))));
}

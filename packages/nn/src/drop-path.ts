import { randomBits, where, type Tensor } from '@ashlar/tensor';
import { checkRate } from './dropout.js';
import { nextKey } from './training-scope.js';

/**
 * Stochastic depth: inside a `training` scope each row of the batch is 0 as a whole with probability `rate`, else
 * x / (1 − rate); x [B, …]. Outside: x. Huang et al. 2016, arXiv 1603.09382.
 * @throws {RangeError} where the rate is not in [0, 1).
 */
export function dropPath(x: Tensor, rate: number): Tensor {
  checkRate('dropPath', rate);
  if (rate === 0) return x;
  const key = nextKey();
  if (!key) return x;
  const rows = x.shape.map((size, axis) => (axis === 0 ? size : 1));
  return where(randomBits(key, rows).ge(Math.floor(rate * 2 ** 32)), x.mul(1 / (1 - rate)), 0);
}

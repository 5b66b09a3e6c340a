import type { Tensor } from '@ashlar/tensor';
import { checkRate, dropout } from './dropout.js';

/**
 * Stochastic depth: inside a `training` scope each row of the batch is 0 as a whole with probability `rate`, else
 * x / (1 − rate); x [B, …]. Outside: x. Huang et al. 2016, arXiv 1603.09382.
 * @throws {RangeError} where the rate is not in [0, 1).
 */
export function dropPath(x: Tensor, rate: number): Tensor {
  checkRate('dropPath', rate);
  return dropout(x, rate, x.shape.map((size, axis) => (axis === 0 ? size : 1)));
}

import { randomBits, where, type Tensor } from '@ashlar/tensor';
import { nextKey } from './training-scope.js';

/**
 * Inside a `training` scope: each element is 0 with probability `rate`, else x / (1 − rate). Outside: x.
 * Each use has random bits of its own, made from the step's key. Srivastava et al. 2014.
 * @param shape Of the draws, 1 along axes whose elements are dropped together; default: that of x.
 * @throws {RangeError} where the rate is not in [0, 1).
 */
export function dropout(x: Tensor, rate: number, shape: readonly number[] = x.shape): Tensor {
  checkRate('dropout', rate);
  if (rate === 0) return x;
  const key = nextKey();
  if (!key) return x;
  return where(randomBits(key, shape).ge(Math.floor(rate * 2 ** 32)), x.mul(1 / (1 - rate)), 0);
}

/** Throws a RangeError unless the rate is a probability below 1. */
export function checkRate(owner: string, rate: number): void {
  if (!(rate >= 0 && rate < 1)) throw new RangeError(`${owner}: the dropout rate must be from 0 and less than 1, got ${rate}`);
}

import type { ScoreMod } from '@ashlar/tensor';

/** cap · tanh(score / cap): no score beyond ±cap. Gemma 2, arXiv 2408.00118. @throws {RangeError} where cap is not greater than 0. */
export function softcap(cap: number): ScoreMod {
  if (!(cap > 0 && Number.isFinite(cap))) throw new RangeError(`softcap: the cap must be greater than 0, got ${cap}`);
  return ({ score }) => score.mul(1 / cap).tanh().mul(cap);
}

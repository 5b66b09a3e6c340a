import type { MaskMod } from '@ashlar/tensor';
import { reaching, type Mask } from './mask.js';

/** Scores that every mask lets count. */
export function and(first: Mask, ...rest: readonly Mask[]): Mask {
  const all = [first, ...rest], reaches = all.flatMap(({ reach }) => (reach === undefined ? [] : [reach]));
  const joined: MaskMod = (point) => all.map((mask) => mask(point)).reduce((x, y) => x.and(y));
  return reaches.length > 0 ? reaching(Math.min(...reaches), joined) : joined;
}

/** Scores that some mask lets count. */
export function or(first: Mask, ...rest: readonly Mask[]): Mask {
  const all = [first, ...rest], reaches = all.flatMap(({ reach }) => (reach === undefined ? [] : [reach]));
  const joined: MaskMod = (point) => all.map((mask) => mask(point)).reduce((x, y) => x.or(y));
  return reaches.length === all.length ? reaching(Math.max(...reaches), joined) : joined;
}

/** Scores that the mask does not let count. */
export const not = (mask: Mask): Mask => (point) => mask(point).not();

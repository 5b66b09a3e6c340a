import type { MaskMod } from '@ashlar/tensor';
import { reaching, relative, type Mask } from './mask.js';

/** Joins masks; the reach of the result, of those that are known, is what `reachOf` says. */
function joined(masks: readonly Mask[], join: (x: ReturnType<MaskMod>, y: ReturnType<MaskMod>) => ReturnType<MaskMod>, reachOf: (known: readonly number[]) => number | undefined): Mask {
  const mask: Mask = (point) => masks.map((one) => one(point)).reduce(join), reach = reachOf(masks.flatMap((one) => (one.reach === undefined ? [] : [one.reach])));
  const promised = masks.every((one) => one.relative) ? relative(mask) : mask;
  return reach === undefined ? promised : reaching(reach, promised);
}

/** Scores that every mask lets count. */
export const and = (...masks: readonly [Mask, ...Mask[]]): Mask => joined(masks, (x, y) => x.and(y), (known) => (known.length > 0 ? Math.min(...known) : undefined));

/** Scores that some mask lets count. */
export const or = (...masks: readonly [Mask, ...Mask[]]): Mask => joined(masks, (x, y) => x.or(y), (known) => (known.length === masks.length ? Math.max(...known) : undefined));

/** Scores that the mask does not let count. */
export function not(mask: Mask): Mask {
  const other: Mask = (point) => mask(point).not();
  return mask.relative ? relative(other) : other;
}

import { requireCount, type HeadShape } from '@ashlar/nn';

/** H and D, given or C / H. @throws {RangeError} where heads do not divide the width and no headWidth is given. */
export function headShape(owner: string, width: number, heads: number, given: number | undefined): HeadShape {
  if (given !== undefined) requireCount(owner, 'headWidth', given);
  else if (width % heads !== 0) throw new RangeError(`${owner}: heads must divide the width (${width}), got ${heads}; or give headWidth`);
  return { count: heads, width: given ?? width / heads };
}

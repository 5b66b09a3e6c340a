import { requireCount, type AttentionSite } from '@ashlar/nn';

/** The width of a head, given or C / H, that the positional encoding can work with. */
export function headWidthOf(owner: string, { width, positional }: AttentionSite, heads: number, given: number | undefined): number {
  if (given !== undefined) requireCount(owner, 'headWidth', given);
  else if (width % heads !== 0) throw new RangeError(`${owner}: heads must divide the width (${width}), got ${heads}; or give headWidth`);
  const headWidth = given ?? width / heads;
  positional.checkHeadWidth?.(headWidth);
  return headWidth;
}

import { requireCount } from '@ashlar/nn';
import { reaching, type Mask } from './mask.js';

export interface FixedPatternOptions {
  /** Length of a block. */
  readonly stride: number;
  /** How many keys at the end of each block all later queries see; default 1. */
  readonly summary?: number | undefined;
}

/**
 * A query sees the keys of its own block up to itself, and the last `summary` keys of each block before: k ≤ q, with
 * ⌊q / stride⌋ = ⌊k / stride⌋ or k mod stride ≥ stride − summary. The fixed pattern of the Sparse Transformer (both of its
 * heads in one), Child et al. 2019, arXiv 1904.10509.
 * @throws {RangeError} where a number is not whole and from 1, or summary is greater than stride.
 */
export function fixedPattern({ stride, summary = 1 }: FixedPatternOptions): Mask {
  requireCount('fixedPattern', 'stride', stride);
  requireCount('fixedPattern', 'summary', summary);
  if (summary > stride) throw new RangeError(`fixedPattern: summary must be at most the stride (${stride}), got ${summary}`);
  return reaching(Infinity, ({ q, k }) => k.le(q).and(q.div(stride).eq(k.div(stride)).or(k.mod(stride).ge(stride - summary))));
}

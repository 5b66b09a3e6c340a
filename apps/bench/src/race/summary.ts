/** Median and spread of repeated measurements. */
export interface Summary {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly count: number;
}

/** Throws on no measurement at all, and on one that is not a finite number. */
export function summarize(values: readonly number[]): Summary {
  if (values.length === 0) throw new Error('summarize: at least one measurement is needed, got none');
  const bad = values.find((value) => !Number.isFinite(value));
  if (bad !== undefined) throw new Error(`summarize: measurements must be finite, got ${bad}`);
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, least: sorted[0]!, most: sorted.at(-1)!, count: sorted.length };
}

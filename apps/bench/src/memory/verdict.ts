/** Whether memory stays flat while a step is repeated. */

export interface MemorySample {
  readonly step: number;
  /** JavaScript heap in use after a collection, and resident memory of the process, in bytes. */
  readonly heapBytes: number;
  readonly rssBytes: number;
  /** The device's own counters. */
  readonly deviceBytes: number;
  readonly pipelines: number;
  readonly bindGroups: number;
  readonly allocations: number;
}

export interface MemoryVerdict { readonly flat: boolean; readonly reasons: readonly string[] }

/** What heap and resident memory may gain over the second half of a run; the first half is for warming up. */
export const allowedGrowth = { heapBytes: 1 << 20, rssBytes: 8 << 20 } as const;

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/**
 * The device's counters must not change after the first sample (taken after step 2). Heap and resident memory are
 * noisy: the median of the last quarter of the samples may exceed that of the quarter before it by `allowedGrowth` at most.
 */
export function judgeMemory(samples: readonly MemorySample[]): MemoryVerdict {
  if (samples.length < 5) throw new Error(`memory: at least 5 samples are needed, got ${samples.length}: run more steps`);
  const reasons: string[] = [], start = samples[0]!;
  for (const key of ['deviceBytes', 'pipelines', 'bindGroups', 'allocations'] as const) {
    const changed = samples.find((sample) => sample[key] !== start[key]);
    if (changed) reasons.push(`${key}: ${start[key]} after step ${start.step}, ${changed[key]} after step ${changed.step}`);
  }
  const quarter = Math.max(2, samples.length >> 2);
  for (const key of ['heapBytes', 'rssBytes'] as const) {
    const values = samples.map((sample) => sample[key]);
    const growth = median(values.slice(-quarter)) - median(values.slice(-2 * quarter, -quarter));
    if (growth > allowedGrowth[key]) reasons.push(`${key}: grew by ${growth} in the last quarter of the run, at most ${allowedGrowth[key]} is allowed`);
  }
  return { flat: reasons.length === 0, reasons };
}

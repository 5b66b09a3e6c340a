import type { DataRecord } from './records.js';

/**
 * Words of letters and apostrophes with their phonemes, from the package cmu-pronouncing-dictionary: `source`, the word's
 * letters; `target`, its 39 phonemes without stress, as in published results (what stands after # are remarks). A word with several pronunciations comes several
 * times.
 */
export async function readPronunciations(): Promise<DataRecord[]> {
  const { dictionary } = await import('cmu-pronouncing-dictionary'), rows = new Map<string, DataRecord>();
  for (const [entry, sounds] of Object.entries(dictionary)) {
    const source = entry.replace(/\(\d+\)$/, ''), target = sounds.replace(/#.*/, '').replace(/\d/g, '').trim();
    if (/^[a-z']+$/.test(source)) rows.set(`${source} ${target}`, { source, target });
  }
  return [...rows.values()];
}

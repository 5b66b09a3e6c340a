/** Stored results, as they were saved. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Machine } from '../harness/machine.js';
import type { SuiteReport } from '../harness/report.js';
import { resultsFolder } from '../harness/store.js';
import type { RaceReport } from '../steps/report.js';

export type Stored = RaceReport | SuiteReport;

export const isRace = (stored: Stored): stored is RaceReport => 'reference' in stored;

/** Those of a race who were timed. */
export const timedOf = ({ outcomes }: RaceReport) => outcomes.flatMap((one) => (one.status === 'timed' ? [one] : []));

/** We ourselves in a race, where we were timed. */
export const ownOf = (race: RaceReport) => timedOf(race).find(({ name }) => name === 'ashlar');

/** The device of a race without its versions: WebAssembly, or WebGPU on a driver. */
export const deviceOf = (race: RaceReport): string => String(ownOf(race)?.about.device ?? race.device).split(/[:,(]/)[0]!.trim();

/** Every result in a folder, by its file's name. @throws {Error} where a file is not one. */
export function storedResults(folder = resultsFolder): ReadonlyMap<string, Stored> {
  return new Map(readdirSync(folder).filter((name) => name.endsWith('.json')).sort().map((name) => {
    const stored = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Stored;
    if (!('machine' in stored) || !('outcomes' in stored || 'benchmarks' in stored)) throw new Error(`${join(folder, name)} is no stored result of a benchmark; take it out of the folder`);
    return [name, stored];
  }));
}

/** Results by machine, in the order of their files. */
export function byMachine(results: Iterable<Stored>): ReadonlyMap<string, { readonly machine: Machine; readonly stored: Stored[] }> {
  const found = new Map<string, { machine: Machine; stored: Stored[] }>();
  for (const stored of results) {
    const { cpu, cores } = stored.machine, key = `${cpu}, ${cores} cores`;
    const group = found.get(key) ?? { machine: stored.machine, stored: [] };
    group.stored.push(stored);
    found.set(key, group);
  }
  return found;
}

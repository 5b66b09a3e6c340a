/** The figures in the readmes: generated from stored results, between two marks. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '@ashlar/text/node';
import { repository } from '../harness/discover.js';
import { machineLine } from '../harness/machine.js';
import { duration, markdownTable, remarks, short } from '../harness/report.js';
import { stepNamed } from '../steps/definition.js';
import { throughput, type RaceReport } from '../steps/report.js';
import { byMachine, deviceOf, isRace, ownOf, storedResults, type Stored } from './stored.js';

/** The readmes with figures; the harness's own also tells what was judged. */
export const readmes = [{ file: join(repository, 'README.md'), judgements: false }, { file: join(repository, 'apps/bench/README.md'), judgements: true }] as const;

const [begin, end] = ['<!-- figures: written by `pnpm bench readme` from stored results -->', '<!-- end of figures -->'];

/** The times of those who took part in the races on one device, a row each. */
function raceTable(races: readonly RaceReport[]): string[] {
  const rows = races.flatMap((race) => {
    const own = ownOf(race), step = `${race.reference.toUpperCase()}, ${deviceOf(race)}`;
    return race.outcomes.map((one): string[] => {
      if (one.status !== 'timed') return [step, one.title, one.status, '', '', '', ''];
      const { gflops, tokensPerSecond } = throughput(stepNamed(race.reference), one.msPerStep.median);
      return [step, one.title, duration(one.msPerStep.median), short(gflops), tokensPerSecond.toFixed(0), duration(one.firstStepMs), own && own !== one ? `${(one.msPerStep.median / own.msPerStep.median).toFixed(2)} ×` : ''];
    });
  });
  return markdownTable(['step', 'who', 'a step', 'GFLOP/s', 'tokens/s', 'first step', 'time against ours'], rows);
}

/** The figures as Markdown: a table of races for each machine, named, and what the suites judged. */
export function figuresOf(results: readonly Stored[], judgements: boolean): string {
  return [...byMachine(results).values()].flatMap(({ machine, stored }) => {
    const races = stored.filter(isRace), judged = stored.flatMap((one) => (isRace(one) ? [] : one.benchmarks.flatMap((benchmark) => (benchmark.judgements.length > 0 ? remarks({ ...benchmark, cases: [] }).map((line) => `- ${one.suite}, ${one.kind}: ${line}`) : []))));
    return [
      ...(races.length > 0 ? [...raceTable(races), ''] : []),
      ...(judgements && judged.length > 0 ? [...judged, ''] : []),
      machineLine(races[0]?.machine ?? machine), '',
    ];
  }).join('\n').trimEnd();
}

/** A readme with its figures replaced. @throws {Error} where it lacks the marks. */
export function withFigures(text: string, figures: string): string {
  const from = text.indexOf(begin), to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`a readme needs the lines ${begin} and ${end}, between which the figures go`);
  return `${text.slice(0, from)}${begin}\n${figures}\n${text.slice(to)}`;
}

/** Writes the figures of the stored results into the readmes. */
export function writeReadmes(): void {
  const results = [...storedResults().values()];
  for (const { file, judgements } of readmes) {
    replaceFile(file, [new TextEncoder().encode(withFigures(readFileSync(file, 'utf8'), figuresOf(results, judgements)))]);
    process.stdout.write(`${file}\n`);
  }
}

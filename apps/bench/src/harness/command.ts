/** `bench [what…]`: finds benchmarks, measures them and prints what it found. */
import { threadsOf, type DeviceOptions } from '../own/device-options.js';
import { casesOf, parseSettings } from './cases.js';
import { choose, discover, repository, type FoundBenchmark } from './discover.js';
import { describeMachine, revisionOf, type Machine } from './machine.js';
import { measure, type BenchmarkResult } from './measure.js';
import { progressLine } from './progress.js';
import { allWell, renderReport, type SuiteReport } from './report.js';
import { resultFile, storeResult } from './store.js';

export interface MeasuringOptions extends DeviceOptions {
  readonly set: readonly string[];
  readonly package: readonly string[];
  readonly rounds: number;
  readonly roundMs: number;
  readonly budget: number;
}

export interface BenchOptions extends MeasuringOptions {
  readonly json?: boolean;
  readonly save?: string | true;
}

const warmUpMs = 250, silenceMs = 600_000;

/** The benchmarks that words name, in this repository or in the packages at `--package`. */
export const chosen = async (words: readonly string[], packages: readonly string[]): Promise<FoundBenchmark[]> =>
  choose(await discover(packages.length > 0 ? packages : [repository]), words);

/** Measures what the words name. The exit code is 1 where a case got no time, or a judgement does not hold. */
export async function runBenchmarks(words: readonly string[], options: BenchOptions): Promise<void> {
  const found = await chosen(words, options.package), settings = parseSettings(options.set);
  for (const key of settings.keys()) {
    if (!found.some(({ benchmark }) => key in benchmark.parameters)) throw new Error(`--set ${key}: no benchmark chosen has this parameter; they have ${[...new Set(found.flatMap(({ benchmark }) => Object.keys(benchmark.parameters)))].join(', ')}`);
  }
  const orders = found.map((one) => ({ one, cases: casesOf(one.benchmark, settings) }));
  const machine = describeMachine(), progress = progressLine();
  const results: BenchmarkResult[] = [];
  for (const { one, cases } of orders) {
    results.push(await measure(one, cases, {
      device: options, rounds: options.rounds, roundMs: options.roundMs, warmUpMs, budgetMs: options.budget * 1000, timeoutMs: silenceMs, onProgress: progress.show,
    }));
  }
  progress.clear();
  const reports = bySuite(results, options, machine);
  process.stdout.write(options.json ? `${JSON.stringify(reports, null, 2)}\n` : reports.map(renderReport).join('\n'));
  if (options.save !== undefined) for (const report of reports) storeResult(resultFile(report.suite, options, machine, options.save === true ? undefined : options.save), report);
  if (!reports.every(allWell)) process.exitCode = 1;
}

function bySuite(results: readonly BenchmarkResult[], options: DeviceOptions, machine: Machine): SuiteReport[] {
  const revision = revisionOf(repository), date = new Date().toISOString();
  return [...new Set(results.map(({ suite }) => suite))].map((suite) => ({
    suite, kind: options.device, threads: threadsOf(options), machine, date, ...(revision !== undefined && { revision }),
    benchmarks: results.filter((result) => result.suite === suite),
  }));
}

/** Prints every benchmark with its suite, parameters and number of cases. */
export async function listBenchmarks(packages: readonly string[]): Promise<void> {
  for (const { benchmark } of await chosen([], packages)) {
    const parameters = Object.entries(benchmark.parameters).map(([key, values]) => `    ${key}: ${values.join(', ')}\n`).join('');
    process.stdout.write(`${benchmark.suite} · ${benchmark.name} · ${benchmark.description}\n${parameters}`);
  }
}

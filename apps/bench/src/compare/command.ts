/** `bench --against REVISION [what…]`: whether the working tree is slower or faster than another revision. */
import { caseName, casesOf, parseSettings } from '../harness/cases.js';
import type { DeviceOptions } from '../own/device-options.js';
import { chosen } from '../harness/command.js';
import { repository } from '../harness/discover.js';
import { describeMachine, machineLine, type Machine } from '../harness/machine.js';
import { progressLine } from '../harness/progress.js';
import { duration, markdownTable } from '../harness/report.js';
import { compareBenchmark, type BenchmarkComparison, type CaseComparison } from './compare.js';
import { defaultVerdict } from './verdict.js';
import { ownTree, treeOf } from './worktree.js';

export interface AgainstOptions extends DeviceOptions {
  readonly set: readonly string[];
  readonly against: string;
  readonly pairs: number;
  readonly threshold: number;
  readonly json?: boolean;
}

/** What is compared where nothing is named. */
const usual = ['kernels', 'step'];
/** Many short rounds: the fast ones count. A case's rounds in a pair take this long at most, two rounds excepted. */
const rounds = 15, roundMs = 25, budgetMs = 4000;
const warmUpMs = 100, silenceMs = 600_000;

export interface ComparisonReport {
  /** The first tree and the second: revisions, `+` where files were changed. */
  readonly revisions: readonly [string, string];
  readonly threshold: number;
  readonly machine: Machine;
  readonly benchmarks: readonly BenchmarkComparison[];
}

/** Compares and prints. The exit code is 1 where something is slower, or could not be compared. */
export async function runAgainst(words: readonly string[], options: AgainstOptions): Promise<void> {
  const found = await chosen(words.length > 0 ? words : usual, [repository]), settings = parseSettings(options.set);
  const orders = found.map((one) => ({ one, cases: casesOf(one.benchmark, settings) })), machine = describeMachine(), progress = progressLine();
  const first = await treeOf(options.against, progress.show), second = ownTree();
  try {
    const benchmarks: BenchmarkComparison[] = [];
    for (const { one, cases } of orders) {
      benchmarks.push(await compareBenchmark(one, cases, [first, second], {
        device: options, rounds, roundMs, budgetMs, warmUpMs, timeoutMs: silenceMs, pairs: options.pairs,
        verdict: { ...defaultVerdict, threshold: options.threshold / 100 }, onProgress: progress.show,
      }));
    }
    progress.clear();
    const report: ComparisonReport = { revisions: [first.revision, second.revision], threshold: options.threshold, machine, benchmarks };
    process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : renderComparison(report));
    if (benchmarks.some(({ cases }) => cases.some((one) => one.status !== 'compared' || one.change.direction === 'slower'))) process.exitCode = 1;
  } finally {
    first.release();
  }
}

const percent = (ratio: number): string => `${ratio >= 1 ? '+' : '−'}${Math.abs(100 * (ratio - 1)).toFixed(1)} %`;

function row(name: string, one: CaseComparison): string[] {
  if (one.status !== 'compared') return [name, caseName(one.parameters), '', '', '', '', `${one.status}: ${one.reason}`];
  const { ms, change: { ratio, direction } } = one;
  return [name, caseName(one.parameters), duration(ms[0]), duration(ms[1]), percent(ratio.median), `${percent(ratio.low)} … ${percent(ratio.high)}`, direction === 'none' ? 'no change' : `**${direction}**`];
}

function renderComparison({ revisions, benchmarks, threshold, machine }: ComparisonReport): string {
  const all = benchmarks.flatMap(({ cases }) => cases), of = (direction: string): number => all.filter((one) => one.status === 'compared' && one.change.direction === direction).length;
  return [
    `# ${revisions[1]} against ${revisions[0]}`, '',
    ...markdownTable(['benchmark', 'case', revisions[0], revisions[1], 'time', 'interval', 'verdict'], benchmarks.flatMap(({ name, cases }) => cases.map((one) => row(name, one)))),
    '', `${of('slower')} slower, ${of('faster')} faster, ${of('none')} without a change of more than ${threshold} %, ${all.filter(({ status }) => status !== 'compared').length} not compared.`,
    '', machineLine(machine), '',
  ].join('\n');
}

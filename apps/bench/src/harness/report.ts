/** What a run of benchmarks found, as data and as Markdown. */
import { caseName } from './cases.js';
import { machineLine, type Machine } from './machine.js';
import type { BenchmarkResult, CaseResult } from './measure.js';

export interface SuiteReport {
  readonly suite: string;
  readonly kind: 'wasm' | 'webgpu';
  readonly threads: number;
  readonly machine: Machine;
  readonly date: string;
  /** The revision of git, with `+` where files were changed; absent outside a repository. */
  readonly revision?: string;
  readonly benchmarks: readonly BenchmarkResult[];
}

/** Three digits, or all before the point. */
export const short = (value: number): string => {
  if (value === 0) return '0';
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return String(Number(value.toPrecision(3)));
};

/** A time of one call, in the unit that suits it. */
export const duration = (ms: number): string => (ms >= 1000 ? `${short(ms / 1000)} s` : ms >= 0.1 ? `${short(ms)} ms` : `${short(ms * 1000)} µs`);

const bytes = (value: number): string => (value >= 1e9 ? `${short(value / 1e9)} GB` : value >= 1e6 ? `${short(value / 1e6)} MB` : value >= 1e3 ? `${short(value / 1e3)} kB` : `${value} B`);

/** A figure in the unit that its name tells. */
export function figure(name: string, value: number): string {
  if (/Bytes$/.test(name)) return bytes(value);
  if (/Ms$/.test(name)) return duration(value);
  return Number.isInteger(value) ? value.toLocaleString('en') : short(value);
}

/** `peakRssBytes` as people read it: `peak rss`. */
const figureTitle = (name: string): string => name.replace(/(Bytes|Ms)$/, '').replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();

type Timed = Extract<CaseResult, { status: 'timed' }>;

/** Rates of a case, by title. */
export function rates({ ms, work }: Timed): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  if (work.flops !== undefined) found.set('GFLOP/s', work.flops / ms.median / 1e6);
  if (work.bytes !== undefined) found.set('GB/s', work.bytes / ms.median / 1e6);
  if (work.tokens !== undefined) found.set('tokens/s', work.tokens / ms.median * 1000);
  return found;
}

/** A table with a head. */
export const markdownTable = (head: readonly string[], rows: readonly (readonly string[])[]): string[] =>
  [`| ${head.join(' | ')} |`, `|${'---|'.repeat(head.length)}`, ...rows.map((row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)];

/** The titles and texts of a table of a benchmark's cases, a row a case. */
export function caseTable({ cases }: BenchmarkResult): { head: string[]; rows: string[][] } {
  const timed = cases.filter((one): one is Timed => one.status === 'timed');
  const keys = Object.keys(cases[0]?.parameters ?? {});
  const rateTitles = [...new Set(timed.flatMap((one) => [...rates(one).keys()]))], figureNames = [...new Set(timed.flatMap((one) => Object.keys(one.figures)))];
  const head = [...keys, 'time', '95 % interval', ...rateTitles, ...figureNames.map(figureTitle)];
  const rows = cases.map((one) => [
    ...keys.map((key) => String(one.parameters[key])),
    ...(one.status === 'timed'
      ? [
        duration(one.ms.median), `${duration(one.ms.low)} – ${duration(one.ms.high)}`,
        ...rateTitles.map((title) => { const rate = rates(one).get(title); return rate === undefined ? '' : short(rate); }),
        ...figureNames.map((name) => { const value = one.figures[name]; return value === undefined ? '' : figure(name, value); }),
      ]
      : [`${one.status}: no time`, ...Array.from({ length: rateTitles.length + figureNames.length + 1 }, () => '')]),
  ]);
  return { head, rows };
}

/** Sentences on what was refused, and on what was judged. */
export const remarks = ({ cases, judgements }: BenchmarkResult): string[] => [
  ...cases.flatMap((one) => (one.status === 'timed' ? [] : [`${caseName(one.parameters)} ${one.status === 'wrong' ? 'is wrong' : 'failed'}: ${shortened(one.reason)}`])),
  ...judgements.map(({ what, holds }) => `${holds ? 'holds' : 'does not hold'}: ${what}`),
];

/** Its beginning, in one line: the end of a process may say a lot. */
const shortened = (text: string): string => { const line = text.replace(/\s+/g, ' '); return line.length > 300 ? `${line.slice(0, 299)}…` : line; };

/** Whether every case was timed and every judgement holds. */
export const allWell = ({ benchmarks }: SuiteReport): boolean =>
  benchmarks.every(({ cases, judgements }) => cases.every(({ status }) => status === 'timed') && judgements.every(({ holds }) => holds));

export function renderReport({ suite, benchmarks, machine, threads, kind, revision }: SuiteReport): string {
  const device = benchmarks.find((one) => one.device !== undefined)?.device ?? kind;
  return [
    `# ${suite} (${device})`,
    ...benchmarks.flatMap((benchmark) => {
      const { head, rows } = caseTable(benchmark);
      return ['', `## ${benchmark.name}`, '', benchmark.description, '', ...markdownTable(head, rows), ...listed(remarks(benchmark))];
    }),
    '', `Medians of interleaved rounds. ${machineLine(machine)} ${threads} thread${threads === 1 ? '' : 's'}${revision === undefined ? '' : `, revision ${revision}`}.`, '',
  ].join('\n');
}

const listed = (lines: readonly string[]): string[] => (lines.length === 0 ? [] : ['', ...lines.map((line) => `- ${line}`)]);

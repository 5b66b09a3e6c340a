/** Charts of results: bars with intervals, and lines where a number grows. */
import { figure, Plot } from '@ashlar/page';
import { caseName } from '../harness/cases.js';
import type { BenchmarkResult, CaseResult } from '../harness/measure.js';
import { duration } from '../harness/report.js';
import type { Summary } from '../harness/summary.js';

/** A bar: a time of something, and how surely it is known. */
export interface Bar {
  readonly label: string;
  readonly ms: Pick<Summary, 'median' | 'low' | 'high'>;
  /** Bars of one series have one colour. */
  readonly series: string;
}

const colours = ['var(--series-1)', 'var(--series-2)', 'var(--series-3)', 'var(--series-4)', 'var(--series-5)', 'var(--series-6)'];
/** The colour of a series by its place among all. */
export const colourOf = (series: string, all: readonly string[]): string => colours[all.indexOf(series) % colours.length]!;

/** Where the largest is more than this many times the smallest, the scale is logarithmic. */
const wide = 30;
const tick = (ms: number): string => duration(ms);
const log = (bars: readonly { readonly ms: { readonly median: number } }[]): boolean => Math.max(...bars.map(({ ms }) => ms.median)) > wide * Math.min(...bars.map(({ ms }) => ms.median));

/** Times as bars, each with its number; on a logarithmic scale, dots. */
export function barChart(label: string, bars: readonly Bar[]): string {
  const series = [...new Set(bars.map((bar) => bar.series))], logarithmic = log(bars), longest = Math.max(...bars.map((bar) => bar.label.length));
  const rows = bars.map((bar) => ({ ...bar, ...bar.ms, text: duration(bar.ms.median), fill: colourOf(bar.series, series) }));
  const greatest = Math.max(...rows.map(({ high }) => high)), least = Math.min(...rows.map(({ low }) => low));
  return figure({
    label, width: 864, height: 46 + 22 * rows.length, marginLeft: Math.min(330, 22 + 6.4 * longest), marginRight: 76, marginTop: 8,
    x: { label: null, grid: true, ticks: 5, tickFormat: tick, ...(logarithmic ? { type: 'log', domain: [least / 1.3, greatest * 1.3] } : { domain: [0, greatest * 1.02] }) },
    y: { label: null, domain: rows.map((row) => row.label), tickSize: 0, padding: 0.28 },
    marks: [
      ...(logarithmic
        ? [Plot.dot(rows, { x: 'median', y: 'label', fill: 'fill', r: 5 })]
        : [Plot.barX(rows, { x1: 0, x2: 'median', y: 'label', fill: 'fill', rx: 2 })]),
      Plot.ruleY(rows, { x1: 'low', x2: 'high', y: 'label', stroke: 'var(--text)', strokeWidth: 1.5 }),
      Plot.text(rows, { x: 'high', y: 'label', text: 'text', textAnchor: 'start', dx: 8, fill: 'currentColor', fontVariant: 'tabular-nums' }),
    ],
  });
}

/** Time over the number that grows, both logarithmic, a line a series. */
function lineChart(label: string, x: string, points: readonly (Bar & { readonly x: number })[]): string {
  const series = [...new Set(points.map((point) => point.series))], xs = [...new Set(points.map((point) => point.x))];
  const rows = points.map((point) => ({ ...point, ...point.ms, stroke: colourOf(point.series, series) }));
  return figure({
    label, width: 864, height: 320, marginLeft: 64,
    x: { type: 'log', label: x, labelArrow: 'none', ticks: xs, tickFormat: (value: number) => String(value) },
    y: { type: 'log', label: null, grid: true, ticks: 5, tickFormat: tick },
    marks: [
      Plot.line(rows, { x: 'x', y: 'median', z: 'series', stroke: 'stroke', strokeWidth: 2 }),
      Plot.ruleX(rows, { x: 'x', y1: 'low', y2: 'high', stroke: 'stroke', strokeWidth: 1.5 }),
      Plot.dot(rows, { x: 'x', y: 'median', fill: 'stroke', r: 3.5 }),
    ],
  });
}

type Timed = Extract<CaseResult, { status: 'timed' }>;

/** The chart of a benchmark; nothing where no case was timed. */
export function benchmarkChart({ name, cases }: BenchmarkResult): { readonly svg: string; readonly series: readonly string[] } | undefined {
  const timed = cases.filter((one): one is Timed => one.status === 'timed');
  if (timed.length === 0) return undefined;
  const keys = Object.keys(timed[0]!.parameters), varying = keys.filter((key) => new Set(timed.map(({ parameters }) => parameters[key])).size > 1);
  const rest = (one: Timed, ...without: string[]): string => caseName(Object.fromEntries(varying.filter((key) => !without.includes(key)).map((key) => [key, one.parameters[key]!])));
  const growing = varying.find((key) => timed.every(({ parameters }) => typeof parameters[key] === 'number' && parameters[key] > 0));
  const lines = growing === undefined ? [] : [...new Set(timed.map((one) => rest(one, growing)))];
  if (growing !== undefined && lines.length <= colours.length && new Set(timed.map(({ parameters }) => parameters[growing])).size > 2) {
    return { svg: lineChart(`${name}: time over ${growing}`, growing, timed.map((one) => ({ label: '', ms: one.ms, series: rest(one, growing), x: one.parameters[growing] as number }))), series: lines.filter(() => lines.length > 1) };
  }
  // The parameter with the fewest values gives the colours, where something else tells the bars apart.
  const few = varying.length > 1 ? varying.toSorted((a, b) => countOf(timed, a) - countOf(timed, b))[0]! : undefined, coloured = few !== undefined && countOf(timed, few) <= 4 ? few : undefined;
  const bars = timed.map((one): Bar => ({ label: rest(one), ms: one.ms, series: coloured === undefined ? '' : String(one.parameters[coloured]) }));
  return { svg: barChart(`${name}: time of a call`, bars), series: coloured === undefined ? [] : [...new Set(bars.map(({ series }) => series))] };
}

const countOf = (cases: readonly Timed[], key: string): number => new Set(cases.map(({ parameters }) => parameters[key])).size;

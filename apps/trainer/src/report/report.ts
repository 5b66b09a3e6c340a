import { factsTable, html, Markup, numbersTable, pageOf } from '@ashlar/page';
import { formatBytes, formatFlops } from '@ashlar/tensor';
import type { MetricsRow } from '@ashlar/train';
import { formatCount, formatDuration, formatLarge } from '../progress/format.js';
import { gradNormChart, learningRateChart, lossChart, meanLoss, speedChart, type Baseline } from './charts.js';
import type { Measures } from '../tasks/materials.js';
import type { Machine } from './machine.js';
import { parameterParts, type ParameterFact } from './parameter-parts.js';
import type { PlanSummary } from './plan-summary.js';

/** All that a report tells. */
export interface ReportContents {
  readonly name: string;
  readonly date: Date;
  readonly rows: readonly MetricsRow[];
  readonly baselines: readonly Baseline[];
  readonly measures: Measures;
  /** What a language model writes. */
  readonly sample?: { readonly prompt: string; readonly text: string; readonly how: string };
  readonly data: readonly (readonly [name: string, value: string])[];
  readonly training: { readonly steps: number; readonly batch: number; readonly context: number; readonly seed: number };
  readonly parameters: readonly ParameterFact[];
  readonly plan?: PlanSummary;
  readonly device: { readonly kind: string; readonly description: string };
  readonly machine: Machine;
  /** The resolved config. */
  readonly config: unknown;
}

/** A self-contained HTML page about one training run. */
export function reportPage(contents: ReportContents): string {
  const { name, date, rows, training } = contents;
  return pageOf(`${name}: training report`, html`<header>
<h1>${name}</h1>
<p>${formatCount(training.steps)} steps on ${contents.data[0]![1]} · ${contents.device.description} · ${date.toISOString().slice(0, 16).replace('T', ' ')} UTC</p>
</header>
${tiles(contents)}
${lossSection(contents)}
<section><div class="charts">
<div><h3>Learning rate</h3>${new Markup(learningRateChart(rows))}</div>
<div><h3>Gradient norm before clipping</h3>${new Markup(gradNormChart(rows))}</div>
<div><h3>Tokens a second</h3>${new Markup(speedChart(rows))}</div>
</div></section>
${contents.sample === undefined ? [] : html`<section><h2>What it writes</h2>
<div class="sample"><b>${contents.sample.prompt}</b>${contents.sample.text}</div>
<footer>${contents.sample.how}</footer></section>`}
${measuresSection(contents.measures)}
${modelSection(contents)}
${contents.plan === undefined ? [] : planSection(contents.plan, contents)}
<section><h2>Run</h2><div class="columns">${runFacts(contents)}</div>
<details><summary>Resolved config</summary><pre>${JSON.stringify(contents.config, undefined, 2)}</pre></details></section>`);
}

/** What the steps of some rows took together, without evaluations and checkpoints. */
export function totals(rows: readonly MetricsRow[]): { readonly seconds: number; readonly tokens: number } {
  const sum = (of: (row: MetricsRow) => number): number => rows.reduce((total, row) => total + of(row), 0);
  return { seconds: sum(({ seconds }) => seconds), tokens: sum(({ tokensPerSecond, seconds }) => tokensPerSecond * seconds) };
}

function tiles({ rows, parameters, measures }: ReportContents): Markup {
  const valLoss = rows.findLast((row) => row.valLoss !== undefined)?.valLoss;
  const { seconds, tokens } = totals(rows);
  const facts: [string, string][] = [
    ...(valLoss === undefined ? [] : [['validation loss', valLoss.toFixed(3)]] as [string, string][]), [...measures.headline],
    ['training loss', meanLoss(rows.slice(-Math.ceil(rows.length / 30))).toFixed(3)],
    ['parameters', formatLarge(parameters.reduce((sum, { size }) => sum + size, 0))],
    ['tokens a second', formatCount(tokens / seconds)],
    ['training time', formatDuration(seconds)],
  ];
  return html`<div class="tiles">${facts.map(([name, value]) => html`<div class="tile"><span class="value">${value}</span><span class="name">${name}</span></div>`)}</div>`;
}

function lossSection({ rows, baselines }: ReportContents): Markup {
  return html`<section><h2>Loss</h2>
<input class="choice" type="radio" name="scale" id="linear" checked><input class="choice" type="radio" name="scale" id="log">
<div class="legend"><span class="key" style="--key: var(--series-1)">training, smoothed over single batches</span><span class="key" style="--key: var(--series-2)">validation, whole held-out text</span><span class="switch"><label for="linear">linear</label><label for="log">log</label></span></div>
<div class="wide on-linear">${new Markup(lossChart(rows, baselines, 'linear'))}</div><div class="wide on-log">${new Markup(lossChart(rows, baselines, 'log'))}</div></section>`;
}

/** What the model is worth on what was held out. */
function measuresSection({ lines, examples }: Measures): Markup {
  return html`<section><h2>On what was held out</h2><div class="columns"><div>${factsTable(lines)}</div></div>
${examples === undefined ? [] : html`<details open><summary>Examples</summary>${textTable(examples.titles, examples.rows)}</details>`}</section>`;
}

const textTable = (titles: readonly string[], rows: readonly (readonly string[])[]): Markup =>
  html`<table class="numbers"><thead><tr>${titles.map((title) => html`<th>${title}</th>`)}</tr></thead><tbody>${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table>`;

function modelSection({ parameters }: ReportContents): Markup {
  const total = parameters.reduce((sum, { size }) => sum + size, 0);
  const rows = parameterParts(parameters).map(({ part, shape, count, size }) => [part, count === 1 ? shape : `${count} of ${shape}`, formatCount(size), `${((100 * size) / total).toFixed(1)} %`]);
  return html`<section><h2>Model: ${formatCount(total)} parameters</h2>${numbersTable(['part', 'shape', 'parameters', 'share'], rows)}</section>`;
}

function planSection(plan: PlanSummary, { rows, training }: ReportContents): Markup {
  const perSecond = (plan.flops * training.steps) / totals(rows).seconds;
  // Where rows have several lengths, each has a plan: what follows from the number of steps is of none of them.
  const ofAllSteps = plan.plans > 1 ? [] : [['operations a token', formatFlops(plan.flops / (training.batch * training.context))], ['reached', `${formatFlops(perSecond)} a second`]] as const;
  return html`<section><h2>Plan of a training step${plan.plans > 1 ? `, the last of ${plan.plans}: one for each length of rows` : ''}</h2><div class="columns">
<div>${factsTable([['kernels', formatCount(plan.kernels)], ['operations a step', formatFlops(plan.flops)], ...ofAllSteps])}</div>
<div>${factsTable([['memory', formatBytes(plan.bytes)], ...plan.memory.map(({ part, bytes }) => [part, formatBytes(bytes)] as const)])}</div></div>
<details><summary>By kind of kernel</summary>${numbersTable(['kind', 'kernels', 'operations', 'bytes moved'], plan.kinds.map(({ kind, count, flops, bytes }) => [kind, count, formatFlops(flops), formatBytes(bytes)]))}</details>
<details><summary>Every kernel, in order</summary><pre>${plan.explanation}</pre></details></section>`;
}

function runFacts({ data, rows, training, device, machine }: ReportContents): readonly Markup[] {
  return [
    html`<div>${factsTable([
      ...data, ['tokens seen', formatLarge(Math.round(totals(rows).tokens))],
    ])}</div>`,
    html`<div>${factsTable([
      ['batch × context', `${training.batch} × ${training.context}`], ['seed', training.seed], ['device', device.description],
      ['processor', `${machine.processor}, ${machine.processors} usable`], ['machine memory', machine.memory], ['system', `${machine.system}, Node ${machine.node}`],
    ])}</div>`,
  ];
}

/** The page of stored results. */
import { factsTable, html, Markup, numbersTable, pageOf } from '@ashlar/page';
import { machineLine } from '../harness/machine.js';
import { caseTable, duration, remarks, short, type SuiteReport } from '../harness/report.js';
import { stepFlops, stepNamed, stepParameterCount, tokensPerStep } from '../steps/definition.js';
import { throughput, type RaceReport } from '../steps/report.js';
import { barChart, benchmarkChart, colourOf } from './charts.js';
import { byMachine, deviceOf, isRace, ownOf, timedOf, type Stored } from './stored.js';

/** A self-contained page about results. @throws {Error} where there is none. */
export function benchmarksPage(results: readonly Stored[]): string {
  if (results.length === 0) throw new Error('there are no stored results: run a suite with --save');
  const machines = [...byMachine(results)];
  return pageOf('Ashlar: benchmarks', html`<header><h1>Ashlar: benchmarks</h1><p>${machines.map(([name]) => name).join('; ')}</p></header>
${machines.map(([name, { machine, stored }]) => html`${machines.length > 1 ? [html`<h2>${name}</h2>`] : []}${tiles(stored)}
${stored.filter(isRace).map(raceSection)}
${stored.filter((one): one is SuiteReport => !isRace(one)).map(suiteSection)}
<footer><p>${machineLine(machine)}</p></footer>`)}`);
}

/** What matters most, in large figures. */
function tiles(stored: readonly Stored[]): Markup {
  const facts = stored.filter(isRace).flatMap((race): [string, string][] => {
    const timed = timedOf(race), own = ownOf(race), title = race.reference.toUpperCase();
    if (!own) return [];
    const against = timed.filter(({ name }) => name !== own.name).map((one): [string, string] => [`${title}: our time over that of ${one.title}`, `${(own.msPerStep.median / one.msPerStep.median).toFixed(2)} ×`]);
    return [[`${title}, ${deviceOf(race)}: a step`, duration(own.msPerStep.median)], ['tokens a second', Math.round(throughput(stepNamed(race.reference), own.msPerStep.median).tokensPerSecond).toLocaleString('en')], ['first step', duration(own.firstStepMs)], ...against.slice(0, 1)];
  });
  return html`<div class="tiles">${facts.map(([name, value]) => html`<div class="tile"><span class="value">${value}</span><span class="name">${name}</span></div>`)}</div>`;
}

function raceSection(race: RaceReport): Markup {
  const step = stepNamed(race.reference), timed = timedOf(race), own = ownOf(race);
  const bars = timed.map(({ name, title, msPerStep }) => ({ label: title, ms: msPerStep, series: name === 'ashlar' ? 'Ashlar' : 'others' }));
  const rows = timed.map(({ title, launch, msPerStep, firstStepMs, peakRssBytes }) => {
    const { gflops, tokensPerSecond } = throughput(step, msPerStep.median);
    return [`${title} (${launch})`, duration(msPerStep.median), short(gflops), tokensPerSecond.toFixed(0), duration(firstStepMs), `${(peakRssBytes / 1e6).toFixed(0)} MB`, own ? `${(msPerStep.median / own.msPerStep.median).toFixed(2)} ×` : ''];
  });
  const refused = race.outcomes.flatMap((one) => (one.status === 'timed' ? [] : [html`<li>${one.title} ${one.status === 'wrong' ? 'is wrong' : 'failed'}: ${one.reasons.join('; ')}</li>`]));
  return html`<section><h2>${race.reference.toUpperCase()}: a training step, ${deviceOf(race)}</h2>
<p>${`${step.layers} layers, ${step.heads} heads, width ${step.width}, ${step.batch} sequences of ${step.context} tokens: ${stepParameterCount(step).toLocaleString('en')} parameters, ${tokensPerStep(step)} tokens and ${short(stepFlops(step) / 1e9)} GFLOP a step. Everybody was compared with PyTorch in float64 before a time was taken.`}</p>
${bars.length > 0 ? [html`<div class="wide">${new Markup(barChart(`Milliseconds a step of ${race.reference.toUpperCase()}`, bars))}</div>`] : []}
${refused.length > 0 ? [html`<ul>${refused}</ul>`] : []}
<details><summary>Figures</summary>${numbersTable(['who', 'a step', 'GFLOP/s', 'tokens/s', 'first step', 'peak memory', 'time against ours'], rows)}
${factsTable(timed.flatMap(({ title, about }) => Object.entries(about).map(([key, value]) => [`${title}: ${key}`, String(value)] as const)))}</details></section>`;
}

function suiteSection({ suite, kind, revision, date, benchmarks }: SuiteReport): Markup {
  return html`<section><h2>${`${suite}, ${kind}`}</h2>${benchmarks.map((benchmark) => {
    const chart = benchmarkChart(benchmark), { head, rows } = caseTable(benchmark), said = remarks(benchmark);
    return html`${benchmarks.length > 1 ? [html`<h3>${benchmark.name}</h3>`] : []}<p>${benchmark.description}</p>
${chart ? [html`${chart.series.length > 0 ? [html`<div class="legend">${chart.series.map((name) => html`<span class="key" style="${`--key: ${colourOf(name, chart.series)}`}">${name}</span>`)}</div>`] : []}<div class="wide">${new Markup(chart.svg)}</div>`] : []}
${said.length > 0 ? [html`<ul>${said.map((line) => html`<li>${line}</li>`)}</ul>`] : []}
<details><summary>Figures</summary>${numbersTable(head, rows)}</details>`;
  })}
<footer>${`${date.slice(0, 10)}${revision === undefined ? '' : `, revision ${revision}`}`}</footer></section>`;
}

/** The report of a race, as data and as Markdown. */
import { gateSteps } from '../contestant.js';
import { stepFlops, stepNamed, tokensPerStep, type StepDefinition, type StepName } from './definition.js';
import { tolerance } from './gate.js';
import type { Outcome } from '../race/race.js';
import { machineLine, type Machine } from '../harness/machine.js';

export const ownName = 'ashlar';

/** What Ashlar is measured by. Bytes are the device's, `peakBytes` as it counted them, `plannedPeakBytes` as the plan foretold. */
export interface StepFigures {
  readonly msPerStep: number;
  readonly tokensPerSecond: number;
  readonly gflops: number;
  readonly firstStepMs: number;
  readonly peakBytes: number;
  readonly plannedPeakBytes: number;
  readonly kernels: number;
  readonly submitsPerStep: number;
}

export interface RaceReport extends Partial<StepFigures> {
  readonly reference: StepName;
  readonly device: string;
  readonly machine: Machine;
  readonly date: string;
  /** The revision of git, with `+` where files were changed; absent outside a repository. */
  readonly revision?: string;
  /** Ours first, then the peers. */
  readonly outcomes: readonly Outcome[];
}

/** Throughput that a time a step means. */
export const throughput = (step: StepDefinition, msPerStep: number): { tokensPerSecond: number; gflops: number } => ({
  tokensPerSecond: tokensPerStep(step) / msPerStep * 1000,
  gflops: stepFlops(step) / msPerStep / 1e6,
});

/** Puts the outcomes together. Our own figures stand at the top only where we were timed. */
export function reportRace(step: StepDefinition, device: string, outcomes: readonly Outcome[], machine: Machine, revision?: string): RaceReport {
  const own = outcomes.find(({ name }) => name === ownName);
  const figures = own?.status === 'timed'
    ? { msPerStep: own.msPerStep.median, ...throughput(step, own.msPerStep.median), firstStepMs: own.firstStepMs, ...own.figures }
    : {};
  return { reference: step.name, device, ...figures, machine, date: new Date().toISOString(), ...(revision !== undefined && { revision }), outcomes };
}

const fixed = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(1));
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;

/** A table of all outcomes, the refusals with their reasons below it, and the machine. */
export function renderRace({ reference, device, outcomes, machine, peakBytes, plannedPeakBytes, kernels, submitsPerStep }: RaceReport): string {
  const own = outcomes.find(({ name }) => name === ownName);
  const ownMs = own?.status === 'timed' ? own.msPerStep.median : undefined;
  const lines = [
    `# ${reference.toUpperCase()}, a training step (${device})`, '',
    '| who | ms/step | least–most | GFLOP/s | tokens/s | first step | peak RSS | against us |',
    '|---|---|---|---|---|---|---|---|',
  ];
  for (const outcome of outcomes) {
    if (outcome.status !== 'timed') {
      lines.push(`| ${outcome.title} | ${outcome.status}: no time | | | | | | |`);
      continue;
    }
    const { median, least, most } = outcome.msPerStep;
    const { gflops, tokensPerSecond } = throughput(stepNamed(reference), median);
    const ratio = ownMs === undefined || outcome === own ? '' : `${(median / ownMs).toFixed(2)}×`;
    lines.push(`| ${outcome.title} (${outcome.launch}) | ${fixed(median)} | ${fixed(least)}–${fixed(most)} | ${fixed(gflops)} | ${tokensPerSecond.toFixed(0)} | ${(outcome.firstStepMs / 1000).toFixed(2)} s | ${megabytes(outcome.peakRssBytes)} | ${ratio} |`);
  }
  lines.push('');
  if (peakBytes !== undefined && plannedPeakBytes !== undefined) {
    lines.push(`Ashlar: ${kernels} kernels and ${submitsPerStep} submit${submitsPerStep === 1 ? '' : 's'} a step; device memory at most ${peakBytes} bytes, planned ${plannedPeakBytes}.`, '');
  }
  for (const outcome of outcomes) {
    if (outcome.status !== 'timed') lines.push(`- ${outcome.title} ${outcome.status === 'wrong' ? 'is wrong' : 'failed'}: ${outcome.reasons.join('; ')}`);
    else {
      const about = Object.entries(outcome.about).map(([key, value]) => `${key} ${value}`).join(', ');
      const others = outcome.others.map(({ label, msPerStep, reason }) => `${label}: ${reason ?? `${fixed(msPerStep!)} ms`}`).join('; ');
      lines.push(`- ${outcome.title}: ${about}${others ? `. Not chosen: ${others}` : ''}`);
    }
  }
  lines.push(
    '',
    `Each contestant first trained ${gateSteps} steps whose losses are within ${tolerance.loss} of the float64 baseline, gradient norms within ${tolerance.gradientNorm} and parameter norm within ${tolerance.parameterNorm} of it. Times are medians of interleaved rounds that end with the last update made.`,
    '',
    machineLine(machine),
  );
  return lines.join('\n');
}

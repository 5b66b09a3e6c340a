import { expect, it } from 'vitest';
import type { Outcome } from '../race/race.js';
import { r0 } from './definition.js';
import { machineSlug, type Machine } from '../harness/machine.js';
import { renderRace, reportRace, throughput } from './report.js';

const machine: Machine = { cpu: 'Some CPU(R) X1 @ 3.00GHz', cores: 2, memoryBytes: 8e9, freeMemoryBytes: 4e9, system: 'linux', node: '20.20.2', load: 0.1 };
const timed = (name: string, median: number, figures?: Record<string, number>): Outcome => ({
  status: 'timed', name, title: `The ${name}`, launch: 'plain', about: { version: '1' }, evidence: { losses: [], gradientNorms: [], parameterNorm: 0 },
  firstStepMs: 1500, msPerStep: { median, low: median - 1, high: median + 1, least: median - 1, most: median + 1, count: 3 }, stepsPerRound: 5, peakRssBytes: 1e8, others: [{ label: 'other', msPerStep: 99 }],
  ...(figures && { figures }),
});
const wrong: Outcome = { status: 'wrong', name: 'tfjs-wasm', title: 'The mutant', reasons: ['loss of step 1: expected 4, got 5'] };

it('turns milliseconds into throughput', () => {
  const { tokensPerSecond, gflops } = throughput(r0, 768);
  expect(tokensPerSecond).toBeCloseTo(1000);
  expect(gflops).toBeCloseTo(3.964 / 0.768, 2);
});

it('puts our figures at the top, where we were timed', () => {
  const figures = { peakBytes: 110, plannedPeakBytes: 100, kernels: 60, submitsPerStep: 1 };
  const report = reportRace(r0, 'wasm', [timed('ashlar', 50, figures), timed('pytorch-2', 40), wrong], machine);
  expect(report).toMatchObject({ msPerStep: 50, tokensPerSecond: 15_360, firstStepMs: 1500, ...figures });
  const refused = reportRace(r0, 'wasm', [{ ...wrong, name: 'ashlar' }], machine);
  expect(refused).not.toHaveProperty('msPerStep');
  expect(refused.outcomes).toHaveLength(1);
});

it('renders every outcome: times with their ratio, refusals without a time', () => {
  const text = renderRace(reportRace(r0, 'wasm', [timed('ashlar', 50), timed('jax-js-wasm', 250), wrong], machine));
  expect(text).toContain('| The jax-js-wasm (plain) | 250 | 249–251 |');
  expect(text).toContain('| 5.00× |');
  expect(text).toContain('| The mutant | wrong: no time |');
  expect(text).toContain('The mutant is wrong: loss of step 1: expected 4, got 5');
  expect(text).toContain('Not chosen: other: 99.0 ms');
});

it('warns of a busy machine', () => {
  expect(renderRace(reportRace(r0, 'wasm', [], { ...machine, load: 1.2 }))).toContain('busy with other work');
  expect(renderRace(reportRace(r0, 'wasm', [], machine))).not.toContain('busy');
});

it('names files after the machine', () => expect(machineSlug(machine)).toBe('some-cpu-x1-2-cores'));

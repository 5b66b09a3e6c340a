import { expect, it } from 'vitest';
import { gateSteps, type Evidence } from '../contestant.js';
import { expectedOf } from './expected.js';
import { objections, tolerance } from './gate.js';

const right: Evidence = {
  losses: expectedOf.r0.losses.slice(0, gateSteps),
  gradientNorms: expectedOf.r0.gradientNorms.slice(0, gateSteps),
  parameterNorm: expectedOf.r0.parameterNorms[gateSteps - 1]!,
};
const changed = (values: readonly number[], at: number, by: number): number[] => values.map((value, i) => (i === at ? value + by : value));

it('has nothing against the baseline itself', () => expect(objections('r0', right)).toEqual([]));

it('refuses a loss, a gradient norm and a parameter norm that are off by a little more than allowed', () => {
  for (let step = 0; step < gateSteps; step++) {
    expect(objections('r0', { ...right, losses: changed(right.losses, step, 1.1 * tolerance.loss) })).toHaveLength(1);
    expect(objections('r0', { ...right, losses: changed(right.losses, step, 0.9 * tolerance.loss) })).toEqual([]);
    const off = 1.1 * tolerance.gradientNorm * right.gradientNorms[step]!;
    expect(objections('r0', { ...right, gradientNorms: changed(right.gradientNorms, step, -off) })[0]).toContain(`gradient norm of step ${step + 1}`);
  }
  expect(objections('r0', { ...right, parameterNorm: right.parameterNorm * (1 + 1.1 * tolerance.parameterNorm) })[0]).toContain('parameter norm');
});

it('refuses NaN and missing values', () => {
  expect(objections('r0', { ...right, losses: changed(right.losses, 2, NaN) })).toHaveLength(1);
  expect(objections('r0', { ...right, losses: right.losses.slice(0, 3) })).toHaveLength(gateSteps - 3);
  expect(objections('r0', { ...right, parameterNorm: NaN })).toHaveLength(1);
});

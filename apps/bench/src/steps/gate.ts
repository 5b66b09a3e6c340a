/** Whether a contestant computes the training step: nobody who does not gets a time. */
import { gateSteps, type Evidence } from '../contestant.js';
import type { StepName } from './definition.js';
import { expectedOf } from './expected.js';

/**
 * Largest allowed deviations from the float64 baseline over the gate's steps. Every f32 engine tried stays at least seven times below each.
 * Each of these mistakes exceeds at least one: no weight decay, decay on the gains, no clipping, beta2 0.999,
 * epsilon 1e-6, tanh GELU, layer-norm epsilon 1e-6, causal mask off by one, no mask, no score scale.
 */
export const tolerance = {
  /** Absolute, in nats. */
  loss: 5e-5,
  /** Relative. */
  gradientNorm: 1e-4,
  /** Relative. */
  parameterNorm: 2e-6,
} as const;

/** The reasons for which the evidence is refused; none when it is right. */
export function objections(step: StepName, evidence: Evidence): string[] {
  const expected = expectedOf[step];
  const found: string[] = [];
  const compare = (what: string, got: number | undefined, wanted: number, allowed: number, relative: boolean): void => {
    const deviation = Math.abs((got ?? NaN) - wanted) / (relative ? wanted : 1);
    if (!(deviation <= allowed)) {
      found.push(`${what}: expected ${wanted.toPrecision(8)} within ${allowed}${relative ? ' relative' : ''}, got ${got?.toPrecision(8) ?? 'nothing'}`);
    }
  };
  for (let i = 0; i < gateSteps; i++) {
    compare(`loss of step ${i + 1}`, evidence.losses[i], expected.losses[i]!, tolerance.loss, false);
    compare(`gradient norm of step ${i + 1}`, evidence.gradientNorms[i], expected.gradientNorms[i]!, tolerance.gradientNorm, true);
  }
  compare(`parameter norm after step ${gateSteps}`, evidence.parameterNorm, expected.parameterNorms[gateSteps - 1]!, tolerance.parameterNorm, true);
  return found;
}

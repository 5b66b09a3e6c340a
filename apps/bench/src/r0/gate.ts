/** Whether a contestant computes R0: nobody who does not gets a time. */
import { gateSteps, type Evidence } from '../contestant.js';
import { r0Expected } from './expected.js';

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
export function objections(evidence: Evidence): string[] {
  const found: string[] = [];
  const compare = (what: string, got: number | undefined, expected: number, allowed: number, relative: boolean): void => {
    const deviation = Math.abs((got ?? NaN) - expected) / (relative ? expected : 1);
    if (!(deviation <= allowed)) {
      found.push(`${what}: expected ${expected.toPrecision(8)} within ${allowed}${relative ? ' relative' : ''}, got ${got?.toPrecision(8) ?? 'nothing'}`);
    }
  };
  for (let step = 0; step < gateSteps; step++) {
    compare(`loss of step ${step + 1}`, evidence.losses[step], r0Expected.losses[step]!, tolerance.loss, false);
    compare(`gradient norm of step ${step + 1}`, evidence.gradientNorms[step], r0Expected.gradientNorms[step]!, tolerance.gradientNorm, true);
  }
  compare(`parameter norm after step ${gateSteps}`, evidence.parameterNorm, r0Expected.parameterNorms[gateSteps - 1]!, tolerance.parameterNorm, true);
  return found;
}

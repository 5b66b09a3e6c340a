/** Training batches: a small language that can be learnt, by a formula that is the same in every language. */
import type { StepDefinition } from './definition.js';
import { hash } from './weights.js';

/** Token ids, row after row: `inputs` and `targets` are [B, T]; the target is the next token. */
export interface StepBatch {
  readonly inputs: Int32Array;
  readonly targets: Int32Array;
}

const stream = 1000;

/**
 * The batch of step `step` (from 0). Row b is the sequence x₀ = hash(1000 + step, b) mod V,
 * xₜ₊₁ = (7·xₜ + 3 + hash(1000 + step, (b + 1) · 4096 + t) mod 3) mod V for t = 0 … T−1: three next tokens are equally likely.
 */
export function stepBatch({ batch, context, vocabulary }: StepDefinition, step: number): StepBatch {
  const inputs = new Int32Array(batch * context), targets = new Int32Array(batch * context);
  for (let b = 0; b < batch; b++) {
    let token = hash(stream + step, b) % vocabulary;
    for (let t = 0; t < context; t++) {
      inputs[b * context + t] = token;
      token = (7 * token + 3 + (hash(stream + step, (b + 1) * 4096 + t) % 3)) % vocabulary;
      targets[b * context + t] = token;
    }
  }
  return { inputs, targets };
}

/** Training batches of R0: a small language that can be learnt, by a formula that is the same in every language. */
import { r0 } from './definition.js';
import { hash } from './weights.js';
const stream = 1000;
/**
 * The batch of step `step` (from 0). Row b is the sequence x₀ = hash(1000 + step, b) mod V,
 * xₜ₊₁ = (7·xₜ + 3 + hash(1000 + step, (b + 1) · 4096 + t) mod 3) mod V for t = 0 … T−1: three next tokens are equally likely.
 */
export function r0Batch(step) {
    const { batch, context, vocabulary } = r0;
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
//# sourceMappingURL=batches.js.map
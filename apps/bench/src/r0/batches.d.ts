/** Token ids, row after row: `inputs` and `targets` are [B, T]; the target is the next token. */
export interface R0Batch {
    readonly inputs: Int32Array;
    readonly targets: Int32Array;
}
/**
 * The batch of step `step` (from 0). Row b is the sequence x₀ = hash(1000 + step, b) mod V,
 * xₜ₊₁ = (7·xₜ + 3 + hash(1000 + step, (b + 1) · 4096 + t) mod 3) mod V for t = 0 … T−1: three next tokens are equally likely.
 */
export declare function r0Batch(step: number): R0Batch;

/**
 * The reference step R0: one training step of a small GPT, the same for everybody who takes part.
 *
 * Decoder-only transformer, pre-norm: h = tokens[x] + positions[t]; in each layer h += attention(norm(h)), then
 * h += mlp(norm(h)); logits = norm(h) · tokensᵀ. Layer norms have a gain and no bias (epsilon 1e-5), linear maps have
 * no bias, the MLP is C → 4C → C with the exact (erf) GELU, attention is causal with scale 1/√D. Loss: mean
 * cross-entropy over all B·T positions. Update: gradients clipped to a global norm of 1, then AdamW with decoupled
 * decay on the matrices (embeddings too) and none on the gains. Everything in f32.
 */
export declare const r0: {
    readonly layers: 4;
    readonly heads: 4;
    readonly width: 128;
    readonly context: 64;
    readonly batch: 12;
    readonly vocabulary: 65;
    readonly feedForward: 512;
    readonly normEpsilon: 0.00001;
    readonly learningRate: 0.001;
    readonly beta1: 0.9;
    readonly beta2: 0.99;
    readonly epsilon: 1e-8;
    readonly weightDecay: 0.1;
    readonly clipNorm: 1;
};
export type R0 = typeof r0;
/** Tokens in one step: B·T. */
export declare const tokensPerStep: number;
/** A parameter of the step: name, shape (a linear map is [in, out], y = x · W) and whether AdamW decays it. */
export interface R0Parameter {
    readonly name: string;
    readonly shape: readonly number[];
    readonly decay: boolean;
}
/** The parameters in their fixed order; the place in this list seeds the parameter's initial values. */
export declare const r0Parameters: readonly R0Parameter[];
/** Number of parameters: 804,096 (the tied head counts once). */
export declare const r0ParameterCount: number;
/**
 * Floating-point operations of one training step, counted the customary way: 2 for each multiply-add of a matrix
 * product, backward = 2 × forward, attention counted in full (T × T, not halved for the causal mask), element-wise
 * work not counted. 6 · (matrix parameters incl. the tied head) · B·T + 12 · L · B · T² · C.
 */
export declare const r0Flops: number;

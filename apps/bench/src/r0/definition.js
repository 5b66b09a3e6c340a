/**
 * The reference step R0: one training step of a small GPT, the same for everybody who takes part.
 *
 * Decoder-only transformer, pre-norm: h = tokens[x] + positions[t]; in each layer h += attention(norm(h)), then
 * h += mlp(norm(h)); logits = norm(h) · tokensᵀ. Layer norms have a gain and no bias (epsilon 1e-5), linear maps have
 * no bias, the MLP is C → 4C → C with the exact (erf) GELU, attention is causal with scale 1/√D. Loss: mean
 * cross-entropy over all B·T positions. Update: gradients clipped to a global norm of 1, then AdamW with decoupled
 * decay on the matrices (embeddings too) and none on the gains. Everything in f32.
 */
export const r0 = {
    layers: 4,
    heads: 4,
    width: 128,
    context: 64,
    batch: 12,
    vocabulary: 65,
    feedForward: 512,
    normEpsilon: 1e-5,
    learningRate: 1e-3,
    beta1: 0.9,
    beta2: 0.99,
    epsilon: 1e-8,
    weightDecay: 0.1,
    clipNorm: 1,
};
/** Tokens in one step: B·T. */
export const tokensPerStep = r0.batch * r0.context;
/** The parameters in their fixed order; the place in this list seeds the parameter's initial values. */
export const r0Parameters = [
    { name: 'tokens', shape: [r0.vocabulary, r0.width], decay: true },
    { name: 'positions', shape: [r0.context, r0.width], decay: true },
    ...Array.from({ length: r0.layers }, (_, layer) => [
        { name: `layers.${layer}.norm1`, shape: [r0.width], decay: false },
        { name: `layers.${layer}.qkv`, shape: [r0.width, 3 * r0.width], decay: true },
        { name: `layers.${layer}.projection`, shape: [r0.width, r0.width], decay: true },
        { name: `layers.${layer}.norm2`, shape: [r0.width], decay: false },
        { name: `layers.${layer}.expand`, shape: [r0.width, r0.feedForward], decay: true },
        { name: `layers.${layer}.contract`, shape: [r0.feedForward, r0.width], decay: true },
    ]).flat(),
    { name: 'norm', shape: [r0.width], decay: false },
];
const elements = (shape) => shape.reduce((product, extent) => product * extent, 1);
/** Number of parameters: 804,096 (the tied head counts once). */
export const r0ParameterCount = r0Parameters.reduce((sum, { shape }) => sum + elements(shape), 0);
/**
 * Floating-point operations of one training step, counted the customary way: 2 for each multiply-add of a matrix
 * product, backward = 2 × forward, attention counted in full (T × T, not halved for the causal mask), element-wise
 * work not counted. 6 · (matrix parameters incl. the tied head) · B·T + 12 · L · B · T² · C.
 */
export const r0Flops = 6 * tokensPerStep
    * (r0.layers * (4 * r0.width * r0.width + 2 * r0.width * r0.feedForward) + r0.vocabulary * r0.width)
    + 12 * r0.layers * r0.batch * r0.context * r0.context * r0.width;
//# sourceMappingURL=definition.js.map
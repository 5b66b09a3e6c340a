/**
 * Two training steps of a small GPT, the same for everybody who takes part: R0, and R1, which is larger.
 *
 * Decoder-only transformer, pre-norm: h = tokens[x] + positions[t]; in each layer h += attention(norm(h)), then
 * h += mlp(norm(h)); logits = norm(h) · tokensᵀ. Layer norms have a gain and no bias (epsilon 1e-5), linear maps have
 * no bias, the MLP is C → 4C → C with the exact (erf) GELU, attention is causal with scale 1/√D. Loss: mean
 * cross-entropy over all B·T positions. Update: gradients clipped to a global norm of 1, then AdamW with decoupled
 * decay on the matrices (embeddings too) and none on the gains. Everything in f32.
 */
export interface StepDefinition {
  readonly name: StepName;
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
  readonly context: number;
  readonly batch: number;
  readonly vocabulary: number;
  readonly feedForward: number;
  readonly normEpsilon: number;
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  readonly clipNorm: number;
}

export type StepName = 'r0' | 'r1';

const shared = { vocabulary: 65, normEpsilon: 1e-5, learningRate: 1e-3, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 };

export const r0: StepDefinition = { name: 'r0', layers: 4, heads: 4, width: 128, context: 64, batch: 12, feedForward: 512, ...shared };
export const r1: StepDefinition = { name: 'r1', layers: 6, heads: 6, width: 384, context: 256, batch: 8, feedForward: 1536, ...shared };

/** @throws {Error} on a name that is none. */
export function stepNamed(name: string | undefined): StepDefinition {
  const found = [r0, r1].find((step) => step.name === name);
  if (!found) throw new Error(`the training step must be r0 or r1, got ${name ?? 'nothing'}`);
  return found;
}

/** Tokens in one step: B·T. */
export const tokensPerStep = ({ batch, context }: StepDefinition): number => batch * context;

/** A parameter of the step: name, shape (a linear map is [in, out], y = x · W) and whether AdamW decays it. */
export interface StepParameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly decay: boolean;
}

/** The parameters in their fixed order; the place in this list seeds the parameter's initial values. */
export const stepParameters = ({ layers, width, context, vocabulary, feedForward }: StepDefinition): StepParameter[] => [
  { name: 'tokens', shape: [vocabulary, width], decay: true },
  { name: 'positions', shape: [context, width], decay: true },
  ...Array.from({ length: layers }, (_, layer) => [
    { name: `layers.${layer}.norm1`, shape: [width], decay: false },
    { name: `layers.${layer}.qkv`, shape: [width, 3 * width], decay: true },
    { name: `layers.${layer}.projection`, shape: [width, width], decay: true },
    { name: `layers.${layer}.norm2`, shape: [width], decay: false },
    { name: `layers.${layer}.expand`, shape: [width, feedForward], decay: true },
    { name: `layers.${layer}.contract`, shape: [feedForward, width], decay: true },
  ]).flat(),
  { name: 'norm', shape: [width], decay: false },
];

/** Number of parameters (the tied head counts once): 804,096 of R0, 10,745,088 of R1. */
export const stepParameterCount = (step: StepDefinition): number =>
  stepParameters(step).reduce((sum, { shape }) => sum + shape.reduce((product, extent) => product * extent, 1), 0);

/**
 * Floating-point operations of one training step, counted the customary way: 2 for each multiply-add of a matrix
 * product, backward = 2 × forward, attention counted in full (T × T, not halved for the causal mask), element-wise
 * work not counted. 6 · (matrix parameters incl. the tied head) · B·T + 12 · L · B · T² · C.
 */
export const stepFlops = (step: StepDefinition): number => {
  const { layers, width, feedForward, vocabulary, batch, context } = step;
  return 6 * tokensPerStep(step) * (layers * (4 * width * width + 2 * width * feedForward) + vocabulary * width)
    + 12 * layers * batch * context * context * width;
};

/** The matrix products that are measured: the square one, and those of R0 forward and backward. */
import { r0, tokensPerStep, type StepDefinition } from '../steps/definition.js';

/** c [m, n] = a · b, where a is stored [m, k], or [k, m] when transposed, and b [k, n], or [n, k]. */
export interface GemmShape {
  readonly name: string;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** The product y = x · W of rows [tokens, input] and its two gradients: dx = dy · Wᵀ and dW = xᵀ · dy. */
function linear(name: string, tokens: number, input: number, output: number): GemmShape[] {
  return [
    { name, m: tokens, k: input, n: output, transposeA: false, transposeB: false },
    { name: `${name} dx`, m: tokens, k: output, n: input, transposeA: false, transposeB: true },
    { name: `${name} dW`, m: input, k: tokens, n: output, transposeA: true, transposeB: false },
  ];
}

/** The products of a training step's linear maps and head. */
export function stepShapes(step: StepDefinition): GemmShape[] {
  const tokens = tokensPerStep(step), { width, feedForward, vocabulary } = step;
  return [
    ...linear('qkv', tokens, width, 3 * width), ...linear('projection', tokens, width, width),
    ...linear('expand', tokens, width, feedForward), ...linear('contract', tokens, feedForward, width),
    { name: 'head', m: tokens, k: width, n: vocabulary, transposeA: false, transposeB: true },
  ];
}

export const square = (size: number): GemmShape => ({ name: 'square', m: size, k: size, n: size, transposeA: false, transposeB: false });

/** A square product of the given size, and those of R0. */
export const gemmShapes = (size: number): GemmShape[] => [square(size), ...stepShapes(r0)];

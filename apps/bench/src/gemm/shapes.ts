/** The matrix products that are measured: the square one, and those of R0 forward and backward. */
import { r0, tokensPerStep } from '../steps/definition.js';

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
function linear(name: string, input: number, output: number): GemmShape[] {
  const tokens = tokensPerStep(r0);
  return [
    { name, m: tokens, k: input, n: output, transposeA: false, transposeB: false },
    { name: `${name}, dx`, m: tokens, k: output, n: input, transposeA: false, transposeB: true },
    { name: `${name}, dW`, m: input, k: tokens, n: output, transposeA: true, transposeB: false },
  ];
}

/** All shapes, with a square one of the given size first. */
export const gemmShapes = (size: number): GemmShape[] => [
  { name: 'square', m: size, k: size, n: size, transposeA: false, transposeB: false },
  ...linear('qkv', r0.width, 3 * r0.width),
  ...linear('projection', r0.width, r0.width),
  ...linear('expand', r0.width, r0.feedForward),
  ...linear('contract', r0.feedForward, r0.width),
  { name: 'head', m: tokensPerStep(r0), k: r0.width, n: r0.vocabulary, transposeA: false, transposeB: true },
];

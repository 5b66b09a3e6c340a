import { where, type Tensor } from '@ashlar/tensor';

/** GELU, x · Φ(x) by the error function. Hendrycks and Gimpel 2016, arXiv 1606.08415. */
export const gelu = (x: Tensor): Tensor => x.mul(x.mul(Math.SQRT1_2).erf().add(1)).mul(0.5);

/** The tanh approximation of GELU: x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))). */
export const geluTanh = (x: Tensor): Tensor =>
  x.mul(x.mul(x.mul(x).mul(0.044715).add(1)).mul(Math.sqrt(2 / Math.PI)).tanh().add(1)).mul(0.5);

/** max(x, 0); the gradient at 0 is 0. */
export const relu = (x: Tensor): Tensor => where(x.gt(0), x, 0);

/** max(x, 0)². So et al. 2021 (Primer), arXiv 2109.08668. */
export const reluSquared = (x: Tensor): Tensor => relu(x).square();

/** x · σ(x), also called swish. */
export const silu = (x: Tensor): Tensor => x.mul(x.sigmoid());

/** tanh x. */
export const tanh = (x: Tensor): Tensor => x.tanh();

export const activations = { gelu, geluTanh, relu, reluSquared, silu, tanh } as const;

export type ActivationName = keyof typeof activations;
export const activationNames = Object.keys(activations) as ActivationName[];

/** The activation of that name. @throws {TypeError} on an unknown one. */
export function activationOf(owner: string, name: ActivationName): (x: Tensor) => Tensor {
  if (!Object.hasOwn(activations, name)) throw new TypeError(`${owner}: activation must be ${activationNames.join(', ')}, got ${JSON.stringify(name)}`);
  return activations[name];
}

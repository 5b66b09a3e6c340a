/** Gradients of functions of tensors and variables against central differences, in f64 on the reference device. */
import { assign, gradients, jit, read, tensor, type Device, type Tensor, type Variable } from '@ashlar/tensor';

export interface FiniteDifferenceOptions {
  /** A scalar of the inputs and of the variables, which it reads. It must give the same value for the same contents. */
  readonly f: (...inputs: Tensor[]) => Tensor;
  /** Float tensors of host data. */
  readonly inputs: readonly Tensor[];
  readonly variables?: readonly Variable[];
  /** The reference device: others round differences away. */
  readonly device: Device;
  /** Directions tried in each input and variable; default 2. */
  readonly directions?: number;
}

/** One direction d in one tensor x: ⟨∂f/∂x, d⟩ and (f(x + h d) − f(x − h d)) / 2h. */
export interface DirectionalDerivative { readonly name: string; readonly analytic: number; readonly numeric: number }

const stepSize = 1e-5;

/** Both derivatives in random directions of every input and variable. They agree to about 1e-6 where gradients are right. */
export async function finiteDifferences({ f, inputs, variables = [], device, directions = 2 }: FiniteDifferenceOptions): Promise<DirectionalDerivative[]> {
  const compare = jit((...given: Tensor[]) => {
    const before = variables.map(read), pulled = gradients(f(...given), [...given, ...before]);
    const difference = (evaluate: (sign: number) => Tensor): Tensor => evaluate(1).sub(evaluate(-1)).div(2 * stepSize);
    const pairs = pulled.flatMap((gradient, i) => Array.from({ length: directions }, (_, k) => {
      const direction = directionLike(gradient, 7919 * i + k);
      const numeric = difference((sign) => {
        const step = direction.mul(sign * stepSize);
        if (i < given.length) return f(...given.with(i, given[i]!.add(step)));
        const variable = variables[i - given.length]!, value = before[i - given.length]!;
        assign(variable, value.add(step));
        const result = f(...given);
        assign(variable, value);
        return result;
      });
      return { analytic: gradient.mul(direction).sum(), numeric };
    }));
    return { pairs };
  }, { device });
  const { pairs } = compare(...inputs);
  const results = await Promise.all(pairs.map(async ({ analytic, numeric }, index) => {
    const i = Math.floor(index / directions);
    return { name: i < inputs.length ? `input ${i}` : variables[i - inputs.length]!.name, analytic: await analytic.item(), numeric: await numeric.item() };
  }));
  compare.release();
  return results;
}

/** Reproducible numbers in [−1, 1) in the shape of a tensor. */
function directionLike({ shape, size }: Tensor, seed: number): Tensor {
  let state = (seed * 2654435761 + 12345) >>> 0;
  const values = Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  return tensor(values, { shape });
}

/** The greatest |analytic − numeric| / max(|analytic|, |numeric|, floor) of all directions, with the name it is found at. */
export function worstDerivative(derivatives: readonly DirectionalDerivative[], floor = 1e-2): { readonly name: string; readonly error: number } {
  const errors = derivatives.map(({ name, analytic, numeric }) => ({ name, error: Math.abs(analytic - numeric) / Math.max(Math.abs(analytic), Math.abs(numeric), floor) }));
  return errors.reduce((worst, one) => (one.error <= worst.error ? worst : one), { name: 'none', error: 0 });
}

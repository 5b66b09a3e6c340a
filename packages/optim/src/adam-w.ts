import { Variable, assign, defineFused, read, ShapeError, type Tensor } from '@ashlar/tensor';
import { requireCount, type Parameter } from '@ashlar/nn';
import type { Optimizer } from './optimizer.js';
import type { Schedule } from './schedule.js';

export interface AdamWOptions {
  readonly learningRate: number | Schedule;
  /** Of the first and the second moment; default 0.9, 0.999. */
  readonly betas?: readonly [number, number];
  /** Added to √v̂; default 1e-8. */
  readonly epsilon?: number;
  /** Default 0.01. */
  readonly weightDecay?: number;
  /** Which parameters decay; default: those of two or more axes (matrices and tables, not biases and gains). */
  readonly decays?: (parameter: Parameter) => boolean;
}

interface AdamWAttributes extends Readonly<Record<string, unknown>> { readonly beta1: number; readonly beta2: number; readonly epsilon: number; readonly weightDecay: number }

/**
 * One parameter's update. Inputs: p, its gradient g, moments m and v (one shape, f32), and scalars
 * [η, η / (1 − β₁ᵗ), 1 / √(1 − β₂ᵗ)]. Results: p, m, v.
 */
const applyAdamW = defineFused<AdamWAttributes>({
  name: 'adamW',
  outputs: ([p, g, m, v, scalars]) => {
    if (!p || [g, m, v].some((other) => other?.shape.join() !== p.shape.join() || other.dtype !== 'f32') || p.dtype !== 'f32' || scalars?.shape.join() !== '3') {
      throw new ShapeError('adamW takes a parameter, gradient and two moments of one shape and scalars [3], all f32');
    }
    return [p, m!, v!].map(({ shape, dtype }) => ({ shape, dtype }));
  },
  reference: ([p, g, m, v, scalars], { beta1, beta2, epsilon, weightDecay }) => {
    const [rate, stepSize, inverseRoot] = [0, 1, 2].map((i) => scalars!.at(i)) as [Tensor, Tensor, Tensor];
    const first = m!.mul(beta1).add(g!.mul(1 - beta1)), second = v!.mul(beta2).add(g!.square().mul(1 - beta2));
    const decayed = weightDecay === 0 ? p! : p!.sub(p!.mul(rate.mul(weightDecay)));
    return [decayed.sub(first.mul(stepSize).div(second.sqrt().mul(inverseRoot).add(epsilon))), first, second];
  },
  tolerance: { f32: 1e-5 },
  cases: [],
});

/**
 * Adam with decoupled weight decay: p ← p − η λ p, then p ← p − η m̂ / (√v̂ + ε), where m and v are the running means of
 * the gradient and its square and m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ). As PyTorch. Loshchilov and Hutter 2019, arXiv
 * 1711.05101. State in f32: `firstMoment.NAME`, `secondMoment.NAME`.
 * @throws {RangeError} where a number is out of range.
 */
export function adamW({ learningRate, betas = [0.9, 0.999], epsilon = 1e-8, weightDecay = 0.01, decays = (parameter) => parameter.shape.length >= 2 }: AdamWOptions): Optimizer {
  const [beta1, beta2] = betas;
  if (typeof learningRate === 'number' && !(learningRate >= 0)) throw new RangeError(`adamW: learningRate must be a number from 0 or a schedule, got ${learningRate}`);
  if (![beta1, beta2].every((beta) => beta >= 0 && beta < 1)) throw new RangeError(`adamW: betas must be from 0 and less than 1, got ${beta1} and ${beta2}`);
  if (!(epsilon > 0)) throw new RangeError(`adamW: epsilon must be greater than 0, got ${epsilon}`);
  if (!(weightDecay >= 0)) throw new RangeError(`adamW: weightDecay must be a number from 0, got ${weightDecay}`);
  const rateAt = typeof learningRate === 'number' ? () => learningRate : learningRate;

  return {
    name: 'adamW',
    learningRate: rateAt,
    attach(parameters) {
      const slots = [...parameters].map(([name, parameter]) => ({
        parameter,
        first: new Variable(parameter.shape, 'f32', undefined, { name: `firstMoment.${name}` }),
        second: new Variable(parameter.shape, 'f32', undefined, { name: `secondMoment.${name}` }),
        attributes: { beta1, beta2, epsilon, weightDecay: decays(parameter) ? weightDecay : 0 },
      }));
      return {
        state: new Map(slots.flatMap(({ first, second }) => [[first.name, first], [second.name, second]])),
        scalarCount: 3,
        scalars(step) {
          requireCount('adamW', 'step', step, 0);
          const rate = rateAt(step), t = step + 1;
          return Float32Array.of(rate, rate / (1 - beta1 ** t), 1 / Math.sqrt(1 - beta2 ** t));
        },
        update(gradients, scalars) {
          if (gradients.length !== slots.length) throw new RangeError(`adamW: there are ${slots.length} parameters, got ${gradients.length} gradients`);
          slots.forEach(({ parameter, first, second, attributes }, i) => {
            const [p, m, v] = applyAdamW([read(parameter), gradients[i]!, read(first), read(second), scalars], attributes) as [Tensor, Tensor, Tensor];
            assign(parameter, p);
            assign(first, m);
            assign(second, v);
          });
        },
      };
    },
  };
}

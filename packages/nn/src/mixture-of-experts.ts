import { arange, read, where, type Shape, type Tensor } from '@ashlar/tensor';
import { activationOf, type ActivationName } from './activations.js';
import type { FeedForward, FeedForwardSite, FeedForwardVariant } from './contracts.js';
import { dropout } from './dropout.js';
import type { Initializer } from './initializers.js';
import { Linear } from './linear.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';
import { requireCount } from './require-count.js';
import { dispatch, route, type Routing } from './routing.js';
import { isTraining } from './training-scope.js';

export interface MixtureOfExpertsOptions {
  /** E */
  readonly experts: number;
  /** k: how many experts a token goes to. Default 2. */
  readonly active?: number;
  /** F of each expert; default 8/3 C, rounded up to a multiple of 8, or 4 C where they are not gated. */
  readonly hidden?: number;
  /** Default `silu`. */
  readonly activation?: ActivationName;
  /** Whether experts are gated, (activation(x G) ⊙ x U) D, or plain, activation(x U) D. Default true. */
  readonly gated?: boolean;
  /**
   * In training, each expert takes at most ⌈capacity · k · N / E⌉ of N tokens; those that come later go on without it.
   * Absent: no token is dropped. Outside training none ever is.
   */
  readonly capacity?: number;
  /** Factor of the balance loss E · Σₑ fₑ Pₑ, with fₑ the share of choices and Pₑ the mean probability of an expert. Default 0.01. */
  readonly balanceLoss?: number;
  /** Factor of the mean of (log Σₑ exp(logitₑ))². Default 0.001. */
  readonly zLoss?: number;
}

class MixtureOfExperts extends Module implements FeedForward {
  readonly router: Linear;
  /** [E, F, C] */
  readonly gate: Parameter | undefined;
  /** [E, F, C] */
  readonly up: Parameter;
  /** [E, C, F] */
  readonly down: Parameter;
  readonly #options: { readonly experts: number; readonly active: number; readonly capacity: number | undefined; readonly balanceLoss: number; readonly zLoss: number };
  readonly #activation: (x: Tensor) => Tensor;
  readonly #dropout: number;

  constructor({ width, initializers, dropout: rate }: FeedForwardSite, options: MixtureOfExpertsOptions) {
    super();
    const { experts, active = 2, activation = 'silu', gated = true, capacity, balanceLoss = 0.01, zLoss = 0.001 } = options;
    const hidden = options.hidden ?? (gated ? 8 * Math.ceil(width / 3) : 4 * width);
    this.router = new Linear({ inputs: width, outputs: experts, bias: false, initializer: initializers.weight });
    const inner = (): Parameter => new Parameter([experts, hidden, width], { initializer: eachExpert(initializers.weight) });
    this.gate = gated ? inner() : undefined;
    this.up = inner();
    this.down = new Parameter([experts, width, hidden], { initializer: eachExpert(initializers.residual) });
    this.#options = { experts, active, capacity, balanceLoss, zLoss };
    this.#activation = activationOf('mixtureOfExperts', activation);
    this.#dropout = rate;
  }

  forward(x: Tensor): Tensor {
    const rows = x.reshape([-1, x.shape.at(-1)!]);
    return this.#mixed(rows, route(this.router.forward(rows).softmax(-1), this.#options.active)).reshape(x.shape);
  }

  forwardWithLoss(x: Tensor): { readonly output: Tensor; readonly loss: Tensor } {
    const { experts: E, active, balanceLoss, zLoss } = this.#options, rows = x.reshape([-1, x.shape.at(-1)!]);
    const logits = this.router.forward(rows), probabilities = logits.softmax(-1), routing = route(probabilities, active);
    const choices = routing.experts.reshape([-1, 1]).eq(arange(E).reshape([1, E])).cast('f32').mean(0);
    const balance = choices.mul(probabilities.mean(0)).sum().mul(E * balanceLoss);
    return { output: this.#mixed(rows, routing).reshape(x.shape), loss: balance.add(logits.logSumExp(-1).square().mean().mul(zLoss)) };
  }

  /** Σ gate · expert(x) over each token's experts: x [N, C] → [N, C]. */
  #mixed(x: Tensor, routing: Routing): Tensor {
    const { experts: E, active: k, capacity } = this.#options, [N, C] = x.shape as [number, number];
    const limit = capacity !== undefined && isTraining() ? Math.ceil((capacity * k * N) / E) : undefined;
    const { tokens, experts, blocks, rows, slots, kept } = dispatch(routing, E, limit);
    const weightOf = (parameter: Parameter): Tensor => {
      const all = read(parameter);
      return (experts ? all.gather(experts) : all).transpose();
    };
    const inputs = x.gather(tokens).reshape([blocks, rows, C]), up = inputs.matmul(weightOf(this.up));
    const inner = this.gate ? this.#activation(inputs.matmul(weightOf(this.gate))).mul(up) : this.#activation(up);
    const results = inner.matmul(weightOf(this.down)).reshape([blocks * rows, C]).gather(slots);
    const gates = kept ? where(kept, routing.gates, 0) : routing.gates;
    return dropout(results.mul(gates.reshape([N, k, 1])).sum(1), this.#dropout);
  }

  flopsPerToken(): number {
    const { experts, active } = this.#options, expert = [this.gate, this.up, this.down].reduce((sum, weight) => sum + (weight?.size ?? 0), 0) / experts;
    return this.router.flops + 2 * active * expert;
  }
}

/** A weight [E, out, in] whose experts each begin as a matrix does. */
const eachExpert = (initializer: Initializer): Initializer => ([experts, ...matrix]: Shape, random) => {
  const parts = Array.from({ length: experts! }, () => initializer(matrix, random)), result = new Float32Array(experts! * parts[0]!.length);
  parts.forEach((part, i) => result.set(part, i * part.length));
  return result;
};

/**
 * E feed-forward experts, k of which a router chooses for each token: Σ gate · expert(x); x [..., C]. Training adds a
 * balance loss and a router z-loss. Shazeer et al. 2017, arXiv 1701.06538; Fedus et al. 2021 (Switch: one expert,
 * capacity, balance loss), arXiv 2101.03961; Zoph et al. 2022 (z-loss), arXiv 2202.08906; Gale et al. 2022 (nothing
 * dropped), arXiv 2211.15841. Experts have no biases. Dropout on the result.
 * @throws {RangeError} where a number cannot be.
 */
export function mixtureOfExperts(options: MixtureOfExpertsOptions): FeedForwardVariant {
  const { experts, active = 2, hidden, activation, capacity, balanceLoss, zLoss } = options;
  requireCount('mixtureOfExperts', 'experts', experts);
  requireCount('mixtureOfExperts', 'active', active);
  if (active > experts) throw new RangeError(`mixtureOfExperts: active must be at most experts (${experts}), got ${active}`);
  if (hidden !== undefined) requireCount('mixtureOfExperts', 'hidden', hidden);
  if (activation !== undefined) activationOf('mixtureOfExperts', activation);
  if (capacity !== undefined && !(capacity > 0 && Number.isFinite(capacity))) throw new RangeError(`mixtureOfExperts: capacity must be greater than 0, got ${capacity}; leave it out to drop no token`);
  for (const [name, factor] of Object.entries({ balanceLoss, zLoss })) if (factor !== undefined && !(factor >= 0 && Number.isFinite(factor))) throw new RangeError(`mixtureOfExperts: ${name} must be a number from 0, got ${factor}`);
  return { contract: 'feedForward/1', name: 'mixtureOfExperts', capabilities: { innerNorm: false, auxiliaryLoss: true }, build: (site) => new MixtureOfExperts(site, options) };
}

import type { Tensor } from '@ashlar/tensor';
import { activationOf, type ActivationName } from './activations.js';
import type { FeedForward, FeedForwardSite, FeedForwardVariant } from './contracts.js';
import { dropout } from './dropout.js';
import { Linear } from './linear.js';
import { Module } from './module.js';
import { requireCount } from './require-count.js';

export interface GatedOptions {
  /** F; default 8/3 C, rounded up to a multiple of 8: as many parameters as an MLP of 4 C. */
  readonly hidden?: number;
  /** Default: that of the model. */
  readonly bias?: boolean;
}

class Gated extends Module implements FeedForward {
  readonly gate: Linear;
  readonly up: Linear;
  readonly down: Linear;
  readonly #activation: (x: Tensor) => Tensor;
  readonly #dropout: number;

  constructor(name: string, activation: ActivationName, site: FeedForwardSite, options: GatedOptions) {
    super();
    const hidden = options.hidden ?? 8 * Math.ceil(site.width / 3), bias = options.bias ?? site.bias;
    const inner = { inputs: site.width, outputs: hidden, bias, initializer: site.initializers.weight };
    this.gate = new Linear(inner);
    this.up = new Linear(inner);
    this.down = new Linear({ inputs: hidden, outputs: site.width, bias, initializer: site.initializers.residual });
    this.#activation = activationOf(name, activation);
    this.#dropout = site.dropout;
  }

  forward(x: Tensor): Tensor {
    return dropout(this.down.forward(this.#activation(this.gate.forward(x)).mul(this.up.forward(x))), this.#dropout);
  }
  flopsPerToken(): number { return this.gate.flops + this.up.flops + this.down.flops; }
}

const gated = (name: string, activation: ActivationName, options: GatedOptions): FeedForwardVariant => {
  if (options.hidden !== undefined) requireCount(name, 'hidden', options.hidden);
  return { contract: 'feedForward/1', name, build: (site) => new Gated(name, activation, site, options) };
};

/** Gated by SiLU: (silu(x G) ⊙ x U) D; x [..., C]. Shazeer 2020, arXiv 2002.05202. Dropout on the result. */
export const swiglu = (options: GatedOptions = {}): FeedForwardVariant => gated('swiglu', 'silu', options);

/** Gated by GELU (tanh form): (geluTanh(x G) ⊙ x U) D; x [..., C]. Shazeer 2020, arXiv 2002.05202. Dropout on the result. */
export const geglu = (options: GatedOptions = {}): FeedForwardVariant => gated('geglu', 'geluTanh', options);

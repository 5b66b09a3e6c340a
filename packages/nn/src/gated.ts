import type { Tensor } from '@ashlar/tensor';
import { activations } from './activations.js';
import type { FeedForward, FeedForwardSite, FeedForwardVariant, Norm } from './contracts.js';
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
  /** Of what goes into the last layer, where the residual scheme asks for it. */
  readonly innerNorm: Norm | undefined;
  readonly down: Linear;
  readonly #activation: (x: Tensor) => Tensor;
  readonly #dropout: number;

  constructor(activation: (x: Tensor) => Tensor, site: FeedForwardSite, options: GatedOptions) {
    super();
    const hidden = options.hidden ?? 8 * Math.ceil(site.width / 3), bias = options.bias ?? site.bias;
    const inner = { inputs: site.width, outputs: hidden, bias, initializer: site.initializers.weight };
    this.gate = new Linear(inner);
    this.up = new Linear(inner);
    this.innerNorm = site.innerNorm?.(hidden);
    this.down = new Linear({ inputs: hidden, outputs: site.width, bias, initializer: site.initializers.residual });
    this.#activation = activation;
    this.#dropout = site.dropout;
  }

  forward(x: Tensor): Tensor {
    const inner = this.#activation(this.gate.forward(x)).mul(this.up.forward(x));
    return dropout(this.down.forward(this.innerNorm?.forward(inner) ?? inner), this.#dropout);
  }
  flopsPerToken(): number { return this.gate.flops + this.up.flops + this.down.flops; }
}

const gated = (name: string, activation: (x: Tensor) => Tensor) => (options: GatedOptions = {}): FeedForwardVariant => {
  if (options.hidden !== undefined) requireCount(name, 'hidden', options.hidden);
  return { contract: 'feedForward/1', name, capabilities: { innerNorm: true, auxiliaryLoss: false }, build: (site) => new Gated(activation, site, options) };
};

/** (σ(x G) ⊙ x U) D; x [..., C]. Dauphin et al. 2017, arXiv 1612.08083. Dropout on the result. */
export const glu = gated('glu', (x) => x.sigmoid());

/** (x G ⊙ x U) D; x [..., C]. Shazeer 2020, arXiv 2002.05202. Dropout on the result. */
export const bilinearGlu = gated('bilinearGlu', (x) => x);

/** Gated by ReLU: (relu(x G) ⊙ x U) D; x [..., C]. Shazeer 2020, arXiv 2002.05202. Dropout on the result. */
export const reglu = gated('reglu', activations.relu);

/** Gated by GELU (error function): (gelu(x G) ⊙ x U) D; x [..., C]. Shazeer 2020, arXiv 2002.05202. Dropout on the result. */
export const geglu = gated('geglu', activations.gelu);

/** Gated by GELU (tanh form, as T5 1.1 and Gemma): (geluTanh(x G) ⊙ x U) D; x [..., C]. Shazeer 2020, arXiv 2002.05202. Dropout on the result. */
export const gegluTanh = gated('gegluTanh', activations.geluTanh);

/** Gated by SiLU: (silu(x G) ⊙ x U) D; x [..., C]. Shazeer 2020, arXiv 2002.05202. Dropout on the result. */
export const swiglu = gated('swiglu', activations.silu);

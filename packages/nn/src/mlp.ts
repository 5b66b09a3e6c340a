import type { Tensor } from '@ashlar/tensor';
import { activationOf, type ActivationName } from './activations.js';
import type { FeedForward, FeedForwardSite, FeedForwardVariant, Norm } from './contracts.js';
import { dropout } from './dropout.js';
import { Linear } from './linear.js';
import { Module } from './module.js';
import { requireCount } from './require-count.js';

export interface MlpOptions {
  /** Default `gelu`. */
  readonly activation?: ActivationName;
  /** F; default 4 C. */
  readonly hidden?: number;
  /** Default: that of the model. */
  readonly bias?: boolean;
}

class Mlp extends Module implements FeedForward {
  readonly up: Linear;
  /** Of what goes into the last layer, where the residual scheme asks for it. */
  readonly innerNorm: Norm | undefined;
  readonly down: Linear;
  readonly #activation: (x: Tensor) => Tensor;
  readonly #dropout: number;

  constructor(site: FeedForwardSite, { activation = 'gelu', hidden = 4 * site.width, bias = site.bias }: MlpOptions) {
    super();
    this.up = new Linear({ inputs: site.width, outputs: hidden, bias, initializer: site.initializers.weight });
    this.innerNorm = site.innerNorm?.(hidden);
    this.down = new Linear({ inputs: hidden, outputs: site.width, bias, initializer: site.initializers.residual });
    this.#activation = activationOf('mlp', activation);
    this.#dropout = site.dropout;
  }

  forward(x: Tensor): Tensor {
    const inner = this.#activation(this.up.forward(x));
    return dropout(this.down.forward(this.innerNorm?.forward(inner) ?? inner), this.#dropout);
  }
  flopsPerToken(): number { return this.up.flops + this.down.flops; }
}

/** Two layers: activation(x U) D, with U [C → F] and D [F → C]; x [..., C]. Dropout on the result. Vaswani et al. 2017, arXiv 1706.03762. */
export function mlp(options: MlpOptions = {}): FeedForwardVariant {
  if (options.activation !== undefined) activationOf('mlp', options.activation);
  if (options.hidden !== undefined) requireCount('mlp', 'hidden', options.hidden);
  return { contract: 'feedForward/1', name: 'mlp', capabilities: { innerNorm: true, auxiliaryLoss: false }, build: (site) => new Mlp(site, options) };
}

import type { Tensor } from '@ashlar/tensor';
import { Module, type Norm, type Residual, type ResidualSite, type ResidualVariant, type Sublayer } from '@ashlar/nn';
import { sublayerNorms } from './sublayer-norms.js';

class PostNorm extends Module implements Residual {
  /** One a sublayer. */
  readonly norms: readonly Norm[];
  constructor(site: ResidualSite) {
    super();
    this.norms = sublayerNorms(site);
  }
  forward(x: Tensor, sublayers: readonly Sublayer[]): Tensor {
    return sublayers.reduce((stream, sublayer, i) => this.norms[i]!.forward(stream.add(sublayer(stream))), x);
  }
}

/** norm(x + f(x)), as the first Transformer. Vaswani et al. 2017, arXiv 1706.03762. Deep stacks of it need a warm-up. */
export const postNorm = (): ResidualVariant => ({ contract: 'residual/1', name: 'postNorm', finalNorm: false, norms: true, innerNorm: false, build: (site) => new PostNorm(site) });

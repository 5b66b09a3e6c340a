import type { Tensor } from '@ashlar/tensor';
import { Module, type Norm, type Residual, type ResidualSite, type ResidualVariant } from '@ashlar/nn';

class PostNorm extends Module implements Residual {
  readonly norm: Norm;
  constructor(site: ResidualSite) {
    super();
    this.norm = site.norm();
  }
  forward(x: Tensor, sublayer: (x: Tensor) => Tensor): Tensor { return this.norm.forward(x.add(sublayer(x))); }
}

/** norm(x + f(x)), as the first Transformer. Vaswani et al. 2017, arXiv 1706.03762. Deep stacks of it need a warm-up. */
export const postNorm = (): ResidualVariant => ({ contract: 'residual/1', name: 'postNorm', finalNorm: false, build: (site) => new PostNorm(site) });

import type { Tensor } from '@ashlar/tensor';
import { Module, type Norm, type Residual, type ResidualSite, type ResidualVariant } from '@ashlar/nn';

class PreNorm extends Module implements Residual {
  readonly norm: Norm;
  constructor(site: ResidualSite) {
    super();
    this.norm = site.norm();
  }
  forward(x: Tensor, sublayer: (x: Tensor) => Tensor): Tensor { return x.add(sublayer(this.norm.forward(x))); }
}

/** x + f(norm(x)), and one more norm before the head. Xiong et al. 2020, arXiv 2002.04745. */
export const preNorm = (): ResidualVariant => ({ contract: 'residual/1', name: 'preNorm', finalNorm: true, build: (site) => new PreNorm(site) });

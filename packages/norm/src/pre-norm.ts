import type { Tensor } from '@ashlar/tensor';
import { Module, type Norm, type Residual, type ResidualSite, type ResidualVariant, type Sublayer } from '@ashlar/nn';
import { sublayerNorms } from './sublayer-norms.js';

/** x + f(norm(x)) for each sublayer in turn. */
export class PreNorm extends Module implements Residual {
  /** One a sublayer. */
  readonly norms: readonly Norm[];
  constructor(site: ResidualSite) {
    super();
    this.norms = sublayerNorms(site);
  }
  forward(x: Tensor, sublayers: readonly Sublayer[]): Tensor {
    return sublayers.reduce((stream, sublayer, i) => stream.add(sublayer(this.norms[i]!.forward(stream))), x);
  }
}

/** x + f(norm(x)), and one more norm before the head. Xiong et al. 2020, arXiv 2002.04745. */
export const preNorm = (): ResidualVariant => ({ contract: 'residual/1', name: 'preNorm', finalNorm: true, norms: true, innerNorm: false, build: (site) => new PreNorm(site) });

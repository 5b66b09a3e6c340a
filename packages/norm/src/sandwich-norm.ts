import type { Tensor } from '@ashlar/tensor';
import { Module, type Norm, type Residual, type ResidualSite, type ResidualVariant, type Sublayer } from '@ashlar/nn';
import { sublayerNorms } from './sublayer-norms.js';

class SandwichNorm extends Module implements Residual {
  /** Before each sublayer. */
  readonly norms: readonly Norm[];
  /** After each sublayer. */
  readonly outerNorms: readonly Norm[];
  constructor(site: ResidualSite) {
    super();
    this.norms = sublayerNorms(site);
    this.outerNorms = sublayerNorms(site);
  }
  forward(x: Tensor, sublayers: readonly Sublayer[]): Tensor {
    return sublayers.reduce((stream, sublayer, i) => stream.add(this.outerNorms[i]!.forward(sublayer(this.norms[i]!.forward(stream)))), x);
  }
}

/** x + norm₂(f(norm₁(x))), and one more norm before the head. Ding et al. 2021 (CogView), arXiv 2105.13290. */
export const sandwichNorm = (): ResidualVariant => ({ contract: 'residual/1', name: 'sandwichNorm', finalNorm: true, norms: true, innerNorm: false, build: (site) => new SandwichNorm(site) });

import type { Tensor } from '@ashlar/tensor';
import { Module, type Norm, type Residual, type ResidualSite, type ResidualVariant, type Sublayer } from '@ashlar/nn';

export interface PreNormOptions {
  /** Whether the first sublayer has a norm. Default true; ModernBERT's first layer has none, as its embeddings are normalized. */
  readonly firstNorm?: boolean | undefined;
}

/** x + f(norm(x)) for each sublayer in turn. */
export class PreNorm extends Module implements Residual {
  /** One a sublayer. */
  readonly norms: readonly (Norm | undefined)[];
  constructor(site: ResidualSite, { firstNorm = true }: PreNormOptions = {}) {
    super();
    this.norms = Array.from({ length: site.sublayers }, (_, i) => (i > 0 || firstNorm ? site.norm() : undefined));
  }
  forward(x: Tensor, sublayers: readonly Sublayer[]): Tensor {
    return sublayers.reduce((stream, sublayer, i) => stream.add(sublayer(this.norms[i]?.forward(stream) ?? stream)), x);
  }
}

/** x + f(norm(x)), and one more norm before the head. Xiong et al. 2020, arXiv 2002.04745. */
export const preNorm = (options: PreNormOptions = {}): ResidualVariant => ({ contract: 'residual/1', name: 'preNorm', finalNorm: true, norms: true, innerNorm: false, build: (site) => new PreNorm(site, options) });

import { read, type Tensor } from '@ashlar/tensor';
import { Module, Parameter, zerosInitializer, type Residual, type ResidualSite, type ResidualVariant, type Sublayer } from '@ashlar/nn';

class ReZero extends Module implements Residual {
  /** A number a sublayer, [1]. */
  readonly gains: readonly Parameter[];
  constructor(site: ResidualSite) {
    super();
    this.gains = Array.from({ length: site.sublayers }, () => new Parameter([1], { initializer: zerosInitializer }));
  }
  forward(x: Tensor, sublayers: readonly Sublayer[]): Tensor {
    return sublayers.reduce((stream, sublayer, i) => stream.add(sublayer(stream).mul(read(this.gains[i]!))), x);
  }
}

/** x + α f(x), with a learned α a sublayer that begins at 0, and no norm. Bachlechner et al. 2020, arXiv 2003.04887. */
export const reZero = (): ResidualVariant => ({ contract: 'residual/1', name: 'reZero', finalNorm: false, norms: false, innerNorm: false, build: (site) => new ReZero(site) });

import { read, type Tensor } from '@ashlar/tensor';
import { Module, Parameter, type Norm, type Residual, type ResidualSite, type ResidualVariant, type Sublayer } from '@ashlar/nn';
import { sublayerNorms } from './sublayer-norms.js';

export interface LayerScaleOptions {
  /** What λ begins at; default that of the paper: 0.1 up to 18 layers, 1e-5 up to 24, 1e-6 for more. */
  readonly initial?: number;
}

class LayerScale extends Module implements Residual {
  /** One a sublayer. */
  readonly norms: readonly Norm[];
  /** [C] a sublayer. */
  readonly gains: readonly Parameter[];
  constructor(site: ResidualSite, { initial = beginning(site.stack.depth) }: LayerScaleOptions) {
    super();
    this.norms = sublayerNorms(site);
    this.gains = Array.from({ length: site.sublayers }, () => new Parameter([site.width], { initializer: ([width]) => new Float32Array(width!).fill(initial) }));
  }
  forward(x: Tensor, sublayers: readonly Sublayer[]): Tensor {
    return sublayers.reduce((stream, sublayer, i) => stream.add(sublayer(this.norms[i]!.forward(stream)).mul(read(this.gains[i]!))), x);
  }
}

const beginning = (depth: number): number => (depth <= 18 ? 0.1 : depth <= 24 ? 1e-5 : 1e-6);

/**
 * x + λ ⊙ f(norm(x)), with a learned λ [C] a sublayer that begins small, and one more norm before the head.
 * Touvron et al. 2021 (CaiT), arXiv 2103.17239.
 * @throws {RangeError} where `initial` is no number.
 */
export function layerScale(options: LayerScaleOptions = {}): ResidualVariant {
  if (options.initial !== undefined && !Number.isFinite(options.initial)) throw new RangeError(`layerScale: initial must be a number, got ${options.initial}`);
  return { contract: 'residual/1', name: 'layerScale', finalNorm: true, norms: true, innerNorm: false, build: (site) => new LayerScale(site, options) };
}

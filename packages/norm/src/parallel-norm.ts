import type { Tensor } from '@ashlar/tensor';
import { Module, type Norm, type Residual, type ResidualSite, type ResidualVariant, type Sublayer } from '@ashlar/nn';
import { sublayerNorms } from './sublayer-norms.js';

export interface ParallelNormOptions {
  /** One norm for all sublayers (GPT-J), or one each (GPT-NeoX). Default `shared`. */
  readonly norms?: 'shared' | 'separate';
}

class ParallelNorm extends Module implements Residual {
  /** One, or one a sublayer. */
  readonly norms: readonly Norm[];
  constructor(site: ResidualSite, { norms = 'shared' }: ParallelNormOptions) {
    super();
    this.norms = norms === 'shared' ? [site.norm()] : sublayerNorms(site);
  }
  forward(x: Tensor, sublayers: readonly Sublayer[]): Tensor {
    const normalized = this.norms.map((norm) => norm.forward(x));
    return sublayers.reduce((sum, sublayer, i) => sum.add(sublayer(normalized[i] ?? normalized[0]!)), x);
  }
}

/**
 * x + Σ fᵢ(norm(x)): the sublayers of a layer side by side, and one more norm before the head. Wang and Komatsuzaki 2021
 * (GPT-J, one norm); Black et al. 2022 (GPT-NeoX, a norm each), arXiv 2204.06745.
 */
export function parallelNorm(options: ParallelNormOptions = {}): ResidualVariant {
  const { norms } = options;
  if (norms !== undefined && norms !== 'shared' && norms !== 'separate') throw new RangeError(`parallelNorm: norms must be shared or separate, got ${JSON.stringify(norms)}`);
  return { contract: 'residual/1', name: 'parallelNorm', finalNorm: true, norms: true, innerNorm: false, build: (site) => new ParallelNorm(site, options) };
}

import type { Tensor } from '@ashlar/tensor';

/** √ Σ g² over all elements of all tensors: a scalar, f32. */
export function globalNorm(gradients: readonly Tensor[]): Tensor {
  if (gradients.length === 0) throw new RangeError('globalNorm: no gradients given');
  return gradients.map((gradient) => gradient.cast('f32').square().sum()).reduce((sum, one) => sum.add(one)).sqrt();
}

/**
 * Gradients · min(1, max / (norm + 1e-6)), where norm is that of all of them together, and the norm before clipping.
 * Pascanu et al. 2013, arXiv 1211.5063; the form is PyTorch's.
 * @throws {RangeError} where max is not a positive number.
 */
export function clipByGlobalNorm(gradients: readonly Tensor[], max: number): { gradients: Tensor[]; norm: Tensor } {
  if (!(max > 0)) throw new RangeError(`clipByGlobalNorm: max must be greater than 0, got ${max}`);
  const norm = globalNorm(gradients), factor = norm.add(1e-6).reciprocal().mul(max).minimum(1);
  return { gradients: gradients.map((gradient) => gradient.mul(factor.cast(gradient.dtype))), norm };
}

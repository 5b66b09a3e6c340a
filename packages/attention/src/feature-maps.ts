import { concat, read, where, type Tensor } from '@ashlar/tensor';
import { Module, Parameter, relu, reluSquared, type Initializer } from '@ashlar/nn';

/**
 * What takes the place of the exponential: φ of queries and keys, with q·k scores φ(q)·φ(k).
 * - `eluPlusOne`: x + 1 above 0, else exp x. Katharopoulos et al. 2020, arXiv 2006.16236.
 * - `reluSquared`: max(x, 0)². Hua et al. 2022, arXiv 2202.10447, among others.
 * - `focused`: y³ · ‖y‖ / ‖y³‖ with y = max(x, 0) + 10⁻⁶, which sharpens the directions. Han et al. 2023, arXiv 2308.00442.
 * - `hedgehog`: [softmax(W x), softmax(−W x)], twice as wide, W learned for each head, from the identity; queries and keys
 *   have their own. Zhang et al. 2024, arXiv 2402.04347.
 */
export type FeatureMapName = 'eluPlusOne' | 'reluSquared' | 'focused' | 'hedgehog';

export const featureMapNames: readonly FeatureMapName[] = ['eluPlusOne', 'reluSquared', 'focused', 'hedgehog'];

/** The width of φ(x) for heads of width D. */
export const featureWidth = (name: FeatureMapName, headWidth: number): number => (name === 'hedgehog' ? 2 * headWidth : headWidth);

const identityInitializer: Initializer = ([heads, width]) => Float32Array.from({ length: heads! * width! * width! }, (_, i) => Number(i % width! === Math.floor(i / width!) % width!));

/** φ with the weights it may have: x [B, H, T, D] → [B, H, T, featureWidth]. */
export class FeatureMap extends Module {
  /** W [H, D, D] of hedgehog. */
  readonly weight: Parameter | undefined;
  readonly #name: FeatureMapName;

  constructor(name: FeatureMapName, heads: number, headWidth: number) {
    super();
    this.weight = name === 'hedgehog' ? new Parameter([heads, headWidth, headWidth], { initializer: identityInitializer }) : undefined;
    this.#name = name;
  }

  forward(x: Tensor): Tensor {
    if (this.weight) {
      const turned = x.matmul(read(this.weight).transpose());
      return concat([turned.softmax(), turned.neg().softmax()], -1);
    }
    if (this.#name === 'eluPlusOne') return where(x.gt(0), x.add(1), x.minimum(0).exp());
    if (this.#name === 'reluSquared') return reluSquared(x);
    const positive = relu(x).add(1e-6), sharp = positive.mul(positive.square()), norm = (y: Tensor): Tensor => y.square().sum(-1, { keepDims: true });
    return sharp.mul(norm(positive).div(norm(sharp)).sqrt());
  }

  /** Operations of a token's matrix products. */
  get flops(): number { return this.weight ? 2 * this.weight.size : 0; }
}

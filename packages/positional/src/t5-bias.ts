import { read, tensor, type ScoreMod, type Tensor } from '@ashlar/tensor';
import { Module, Parameter, requireCount, type PositionalEncoding, type PositionalSite, type PositionalVariant, type ScoreModInput } from '@ashlar/nn';

export interface T5BiasOptions {
  /** Rows of the table; even; default 32. */
  readonly buckets?: number;
  /** From where on all distances share the last bucket; default 128. */
  readonly maxDistance?: number;
}

/**
 * The bucket of a key that stands `relative` = key − query positions from the query. Without `causal`, half of the
 * buckets are for keys after the query. Half of those for a direction hold one distance each, the others grow
 * logarithmically to `maxDistance`. Raffel et al. 2019, arXiv 1910.10683.
 */
export function t5Bucket(relative: number, { buckets = 32, maxDistance = 128, causal }: T5BiasOptions & { readonly causal: boolean }): number {
  const count = causal ? buckets : buckets / 2, exact = Math.floor(count / 2);
  const distance = causal ? Math.max(-relative, 0) : Math.abs(relative), first = !causal && relative > 0 ? count : 0;
  if (distance < exact) return first + distance;
  const grown = exact + Math.floor((Math.log(distance / exact) / Math.log(maxDistance / exact)) * (count - exact));
  return first + Math.min(grown, count - 1);
}

class T5Bias extends Module implements PositionalEncoding {
  /** [buckets, H] */
  readonly weight: Parameter;
  /** The bucket of each distance −maxDistance … maxDistance, or 0 … maxDistance where it is causal. */
  readonly #buckets: Tensor;
  readonly #maxDistance: number;
  readonly #causal: boolean;

  constructor({ heads, causal, initializers }: PositionalSite, { buckets = 32, maxDistance = 128 }: T5BiasOptions) {
    super();
    if (!heads) throw new RangeError('t5Bias: one table serves all layers, so all must have the same number of heads; use alibi, or give every layer the same heads');
    this.weight = new Parameter([buckets, heads.count], { initializer: initializers.weight });
    const distances = Array.from({ length: causal ? maxDistance + 1 : 2 * maxDistance + 1 }, (_, i) => (causal ? -i : i - maxDistance));
    this.#buckets = tensor(Int32Array.from(distances, (relative) => t5Bucket(relative, { buckets, maxDistance, causal })));
    this.#maxDistance = maxDistance;
    this.#causal = causal;
  }

  scoreMod({ queries }: ScoreModInput): ScoreMod {
    const H = queries.shape[1]!, heads = this.weight.shape[1]!;
    if (H !== heads) throw new RangeError(`t5Bias: the table is for ${heads} heads, got queries of ${H}`);
    const biases = read(this.weight).gather(this.#buckets).reshape([-1]), most = this.#maxDistance;
    return ({ score, h, q, k }) => {
      const index = this.#causal ? q.sub(k).maximum(0).minimum(most) : k.sub(q).maximum(-most).minimum(most).add(most);
      return score.add(biases.at(index.mul(H).add(h)));
    };
  }
}

/**
 * Scores + table[bucket(k − q), h]: a learned number for each head and range of distances (`t5Bucket`). One table
 * [buckets, H] serves all layers of a stack. T5 itself has no 1/√D beside it: give its attention `scale: 1`.
 * Raffel et al. 2019, arXiv 1910.10683. Buckets in f64, on the host. It has no longest sequence.
 * @throws {RangeError} where buckets is odd or too few, or maxDistance not above the distances with a bucket of their own.
 */
export function t5Bias(options: T5BiasOptions = {}): PositionalVariant {
  const { buckets = 32, maxDistance = 128 } = options;
  requireCount('t5Bias', 'buckets', buckets, 4);
  if (buckets % 4 !== 0) throw new RangeError(`t5Bias: buckets must be a multiple of 4, got ${buckets}`);
  requireCount('t5Bias', 'maxDistance', maxDistance);
  if (maxDistance <= buckets / 2) throw new RangeError(`t5Bias: maxDistance must be greater than buckets / 2 (${buckets / 2}), got ${maxDistance}`);
  return { contract: 'positional/1', name: 't5Bias', capabilities: { embed: false, rotate: false, scoreMod: true, bidirectional: true }, build: (site) => new T5Bias(site, options) };
}

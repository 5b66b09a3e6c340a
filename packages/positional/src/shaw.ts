import { read, type ScoreMod } from '@ashlar/tensor';
import { Module, Parameter, requireCount, type PositionalEncoding, type PositionalSite, type PositionalVariant, type ScoreModInput } from '@ashlar/nn';

export interface ShawOptions {
  /** Distances beyond it share its vector; default 16. */
  readonly maxDistance?: number;
}

class Shaw extends Module implements PositionalEncoding {
  /** A vector for each distance −maxDistance … maxDistance, or 0 … maxDistance where it is causal: [R, D] */
  readonly weight: Parameter;
  readonly #maxDistance: number;
  readonly #causal: boolean;

  constructor({ heads, causal, initializers }: PositionalSite, { maxDistance = 16 }: ShawOptions) {
    super();
    if (!heads) throw new RangeError('shaw: one table serves all layers, so all must have heads of the same width; use alibi, or give every layer the same heads');
    this.weight = new Parameter([causal ? maxDistance + 1 : 2 * maxDistance + 1, heads.width], { initializer: initializers.weight });
    this.#maxDistance = maxDistance;
    this.#causal = causal;
  }

  scoreMod({ queries, scale, firstQuery }: ScoreModInput): ScoreMod {
    const [B, H, T, D] = queries.shape as [number, number, number, number], [R, width] = this.weight.shape as [number, number], most = this.#maxDistance;
    if (D !== width) throw new RangeError(`shaw: the vectors are for heads of width ${width}, got queries of width ${D}`);
    const products = queries.reshape([B * H * T, D]).matmul(read(this.weight).transpose()).mul(scale).reshape([B * H * T * R]);
    return ({ score, b, h, q, k }) => {
      const distance = this.#causal ? q.sub(k).maximum(0).minimum(most) : k.sub(q).maximum(-most).minimum(most).add(most);
      return score.add(products.at(b.mul(H).add(h).mul(T).add(q.sub(firstQuery)).mul(R).add(distance)));
    };
  }
}

/**
 * Scores + scale · q · a[clip(k − q)]: a learned vector for each distance, added to the keys. One table [R, D] serves all
 * heads and layers. The paper's second table, for values, is left out: by its table 3 it adds nothing to this one.
 * Shaw et al. 2018, arXiv 1803.02155. Memory: B · H · T · R products. It has no longest sequence.
 * @throws {RangeError} where maxDistance is not a whole number from 1.
 */
export function shaw(options: ShawOptions = {}): PositionalVariant {
  if (options.maxDistance !== undefined) requireCount('shaw', 'maxDistance', options.maxDistance);
  return { contract: 'positional/1', name: 'shaw', capabilities: { embed: false, rotate: false, scoreMod: true, bidirectional: true }, build: (site) => new Shaw(site, options) };
}

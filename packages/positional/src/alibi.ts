import { where, type ScoreMod } from '@ashlar/tensor';
import { Module, requireCount, type PositionalEncoding, type PositionalVariant, type ScoreModInput } from '@ashlar/nn';

/** The greatest power of two up to `heads`. */
const greatestPower = (heads: number): number => 2 ** Math.floor(Math.log2(heads));

/**
 * The slope of each head: 2^(−8h/n), h = 1…n, for n a power of two; else those of the greatest power of two p below n,
 * then every second one of 2p.
 * @throws {RangeError} where heads is not a whole number from 1.
 */
export function alibiSlopes(heads: number): number[] {
  requireCount('alibiSlopes', 'heads', heads);
  const geometric = (count: number): number[] => Array.from({ length: count }, (_, h) => 2 ** ((-8 * (h + 1)) / count));
  const power = greatestPower(heads);
  return [...geometric(power), ...geometric(2 * power).filter((_, i) => i % 2 === 0).slice(0, heads - power)];
}

class Alibi extends Module implements PositionalEncoding {
  scoreMod({ queries }: ScoreModInput): ScoreMod {
    // A function of the head rather than a table: no kernel has to sum the gradient of a table that nobody trains.
    const H = queries.shape[1]!, power = greatestPower(H);
    return ({ score, h, q, k }) => {
      const inOrder = h.add(1).cast('f32').mul(-8 / power), between = h.sub(power).mul(2).add(1).cast('f32').mul(-4 / power);
      const exponent = power === H ? inOrder : where(h.lt(power), inOrder, between);
      return score.sub(exponent.mul(Math.LN2).exp().mul(q.sub(k).abs().cast('f32')));
    };
  }
}

/**
 * Scores − mₕ |q − k|: attention falls off with distance, a slope mₕ a head (`alibiSlopes`); causal and symmetric alike.
 * The scores are those after scaling. Press et al. 2021, arXiv 2108.12409. It has no parameters and no longest sequence.
 */
export const alibi = (): PositionalVariant => ({ contract: 'positional/1', name: 'alibi', capabilities: { embed: false, rotate: false, scoreMod: true, bidirectional: true }, build: () => new Alibi() });

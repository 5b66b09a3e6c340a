import type { Tensor } from '@ashlar/tensor';
import { Module, type PositionalEncoding, type PositionalSite, type PositionalVariant, type Positions } from '@ashlar/nn';
import { PositionTable } from './position-table.js';

export interface SinusoidalOptions {
  /** Default 10000. */
  readonly base?: number;
  /** `interleaved`: sine and cosine in turn (the paper). `halves`: all sines, then all cosines. Default `interleaved`. */
  readonly layout?: 'interleaved' | 'halves';
}

class Sinusoidal extends Module implements PositionalEncoding {
  readonly #table: PositionTable;

  constructor({ width, maxLength }: PositionalSite, { base = 10000, layout = 'interleaved' }: SinusoidalOptions) {
    super();
    if (width % 2 !== 0) throw new RangeError(`sinusoidal: sines and cosines come in pairs, so the width must be even, got ${width}`);
    this.#table = new PositionTable('sinusoidal', maxLength, (position, C) => Float64Array.from({ length: C }, (_, c) => {
      const [pair, sine] = layout === 'interleaved' ? [c >> 1, c % 2 === 0] : [c % (C / 2), c < C / 2];
      const angle = position * base ** (-2 * pair / C);
      return sine ? Math.sin(angle) : Math.cos(angle);
    }));
  }

  embed(x: Tensor, positions: Positions): Tensor { return x.add(this.#table.rows(positions, x.shape[1]!, x.shape[2]!)); }
}

/**
 * x [B, T, C] + (sin(p θᵢ), cos(p θᵢ), …) with θᵢ = base^(−2i/C), for the token at position p. Vaswani et al. 2017, arXiv
 * 1706.03762. Angles in f64, on the host. It has no parameters and no longest sequence.
 * @throws {RangeError} where base or layout cannot be, or the width is odd.
 */
export function sinusoidal(options: SinusoidalOptions = {}): PositionalVariant {
  const { base, layout } = options;
  if (base !== undefined && !(base > 0 && Number.isFinite(base))) throw new RangeError(`sinusoidal: base must be greater than 0, got ${base}`);
  if (layout !== undefined && layout !== 'interleaved' && layout !== 'halves') throw new RangeError(`sinusoidal: layout must be interleaved or halves, got ${JSON.stringify(layout)}`);
  return { contract: 'positional/1', name: 'sinusoidal', capabilities: { embed: true, rotate: false, scoreMod: false, bidirectional: true }, build: (site) => new Sinusoidal(site, options) };
}

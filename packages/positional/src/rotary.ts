import type { Tensor } from '@ashlar/tensor';
import { Module, type PositionalEncoding, type PositionalSite, type PositionalVariant, type Positions } from '@ashlar/nn';
import { attentionFactorOf, checkRotaryScaling, rotaryFrequencies, type RotaryScaling } from './rotary-scaling.js';
import { Rotation, checkRotation, type RotaryLayout } from './rotation.js';

export interface RotaryOptions {
  /** Default 10000. */
  readonly base?: number;
  /** Default `halfSplit`. */
  readonly layout?: RotaryLayout;
  /** How many elements of each head turn, from the first; the others stay. Even; default: all. */
  readonly dimensions?: number;
  /** For sequences longer than those trained on; default none. */
  readonly scaling?: RotaryScaling;
}

class Rotary extends Module implements PositionalEncoding {
  readonly #rotation: Rotation;

  constructor({ maxLength }: PositionalSite, { base = 10000, layout = 'halfSplit', dimensions, scaling }: RotaryOptions) {
    super();
    const amplitude = attentionFactorOf(scaling);
    this.#rotation = new Rotation({ owner: 'rotary', layout, dimensions, maxLength, frequencies: (d) => rotaryFrequencies(d, base, scaling), amplitude: () => amplitude });
  }

  checkHeadWidth(headWidth: number): void { this.#rotation.checkHeadWidth(headWidth); }
  rotate(x: Tensor, positions: Positions): Tensor { return this.#rotation.rotate(x, positions); }
}

/**
 * Turns each pair (a, b) of a query's or key's elements by the angle θᵢ · position, θᵢ = base^(−2i/d):
 * (a cos − b sin, b cos + a sin). Su et al. 2021, arXiv 2104.09864. Angles in f64, on the host.
 * @throws {RangeError} where base, layout, dimensions or scaling cannot be; on a head width that is odd.
 */
export function rotary(options: RotaryOptions = {}): PositionalVariant {
  checkRotation('rotary', options);
  if (options.scaling) checkRotaryScaling('rotary', options.scaling);
  return { contract: 'positional/1', name: 'rotary', capabilities: { embed: false, rotate: true, scoreMod: false, bidirectional: true }, build: (site) => new Rotary(site, options) };
}

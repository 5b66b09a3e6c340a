import type { Tensor } from '@ashlar/tensor';
import { Module, type PositionalEncoding, type PositionalSite, type PositionalVariant, type Positions } from '@ashlar/nn';
import { rotaryFrequencies } from './rotary-scaling.js';
import { Rotation, checkRotation, type RotaryLayout } from './rotation.js';

export interface XPosOptions {
  /** Of the angles; default 10000. */
  readonly base?: number;
  /** Default `interleaved`, as published. */
  readonly layout?: RotaryLayout;
  /** Over how many tokens a pair decays by its ζ; default 512. */
  readonly scaleBase?: number;
}

/** Products of a query and a key factor stay inside f32 up to this exponent of each. */
const largestExponent = 80;

class XPos extends Module implements PositionalEncoding {
  readonly maxLength: number;
  readonly #queries: Rotation;
  readonly #keys: Rotation;

  constructor(site: PositionalSite, { base = 10000, layout = 'interleaved', scaleBase = 512 }: XPosOptions) {
    super();
    this.maxLength = Math.floor((largestExponent * scaleBase) / -Math.log(0.4 / 1.4));
    if (site.maxLength !== undefined && site.maxLength > this.maxLength) throw new RangeError(`xPos: its factors leave f32 past ${this.maxLength} tokens, and the model's maxLength is ${site.maxLength}; give a greater scaleBase`);
    const rotation = (sign: number): Rotation => new Rotation({
      owner: 'xPos', layout, dimensions: undefined, maxLength: site.maxLength, frequencies: (d) => rotaryFrequencies(d, base, undefined),
      amplitude: (position, pair, d) => ((2 * pair + 0.4 * d) / (1.4 * d)) ** ((sign * position) / scaleBase),
    });
    this.#queries = rotation(1);
    this.#keys = rotation(-1);
  }

  checkHeadWidth(headWidth: number): void { this.#queries.checkHeadWidth(headWidth); }

  rotate(x: Tensor, positions: Positions, of: 'query' | 'key'): Tensor {
    if (typeof positions === 'number' && positions + x.shape.at(-2)! > this.maxLength) throw new RangeError(`xPos: its factors leave f32 past ${this.maxLength} tokens, got positions up to ${positions + x.shape.at(-2)! - 1}; give a greater scaleBase`);
    return (of === 'query' ? this.#queries : this.#keys).rotate(x, positions);
  }
}

/**
 * Rotary with decay: pair i of a query at n × ζᵢ^(n/scaleBase), of a key at m × ζᵢ^(−m/scaleBase), with
 * ζᵢ = (2i/d + 0.4) / 1.4, so that products decay with the distance n − m. For causal attention. Sun et al. 2022,
 * arXiv 2212.10554. Angles and factors in f64, on the host.
 * @throws {RangeError} where an option cannot be; on positions whose factors leave f32.
 */
export function xPos(options: XPosOptions = {}): PositionalVariant {
  checkRotation('xPos', options);
  if (options.scaleBase !== undefined && !(options.scaleBase > 0 && Number.isFinite(options.scaleBase))) throw new RangeError(`xPos: scaleBase must be greater than 0, got ${options.scaleBase}`);
  return { contract: 'positional/1', name: 'xPos', capabilities: { embed: false, rotate: true, scoreMod: false, bidirectional: false }, build: (site) => new XPos(site, options) };
}

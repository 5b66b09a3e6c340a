/** Ways to make rotary angles fit longer sequences than a model was trained on. `factor`: how many times as long. */
export type RotaryScaling =
  /** Every angle divided by the factor. Chen et al. 2023, arXiv 2306.15595. */
  | { readonly type: 'linear'; readonly factor: number }
  /** A base of base · factor^(d/(d−2)): the slowest pair as in `linear`, the fastest as before. */
  | { readonly type: 'ntk'; readonly factor: number }
  /**
   * Fast pairs as before, slow pairs divided by the factor, a ramp between; queries and keys × the attention factor.
   * Peng et al. 2023, arXiv 2309.00071.
   */
  | {
    readonly type: 'yarn'; readonly factor: number;
    /** The length trained on. */
    readonly originalLength: number;
    /** Pairs that turn more often than this over the original length stay as they are; default 32. */
    readonly fastTurns?: number;
    /** Pairs that turn less often than this are divided by the factor; default 1. */
    readonly slowTurns?: number;
    /** Default 0.1 ln(factor) + 1. */
    readonly attentionFactor?: number;
  }
  /** As Llama 3.1: by wavelength, with a smooth passage. */
  | {
    readonly type: 'llama3'; readonly factor: number;
    /** The length trained on. */
    readonly originalLength: number;
    /** Pairs with wavelengths above originalLength / lowFrequencyFactor are divided by the factor; default 1. */
    readonly lowFrequencyFactor?: number;
    /** Pairs with wavelengths below originalLength / highFrequencyFactor stay as they are; default 4. */
    readonly highFrequencyFactor?: number;
  };

/** θᵢ = base^(−2i/d) for i < d/2, scaled. */
export function rotaryFrequencies(d: number, base: number, scaling: RotaryScaling | undefined): Float64Array {
  const plain = (from: number): Float64Array => Float64Array.from({ length: d / 2 }, (_, i) => from ** (-2 * i / d));
  switch (scaling?.type) {
    case undefined: return plain(base);
    case 'linear': return plain(base).map((frequency) => frequency / scaling.factor);
    case 'ntk': return plain(base * scaling.factor ** (d / (d - 2)));
    case 'yarn': {
      const { factor, originalLength, fastTurns = 32, slowTurns = 1 } = scaling;
      const pairThatTurns = (turns: number): number => (d * Math.log(originalLength / (turns * 2 * Math.PI))) / (2 * Math.log(base));
      const low = Math.max(Math.floor(pairThatTurns(fastTurns)), 0), high = Math.min(Math.ceil(pairThatTurns(slowTurns)), d - 1), width = high === low ? 0.001 : high - low;
      return plain(base).map((frequency, i) => {
        const slow = Math.min(Math.max((i - low) / width, 0), 1);
        return frequency * (1 - slow) + (frequency / factor) * slow;
      });
    }
    case 'llama3': {
      const { factor, originalLength, lowFrequencyFactor: low = 1, highFrequencyFactor: high = 4 } = scaling;
      return plain(base).map((frequency) => {
        const turns = (originalLength * frequency) / (2 * Math.PI);
        if (turns < low) return frequency / factor;
        if (turns > high) return frequency;
        const fast = (turns - low) / (high - low);
        return (1 - fast) * (frequency / factor) + fast * frequency;
      });
    }
  }
}

/** The factor of rotated queries and keys. */
export const attentionFactorOf = (scaling: RotaryScaling | undefined): number =>
  (scaling?.type === 'yarn' ? scaling.attentionFactor ?? 0.1 * Math.log(scaling.factor) + 1 : 1);

/** @throws {RangeError} where a number cannot be. */
export function checkRotaryScaling(owner: string, scaling: RotaryScaling): void {
  const types = ['linear', 'ntk', 'yarn', 'llama3'];
  if (!types.includes(scaling.type)) throw new RangeError(`${owner}: scaling.type must be ${types.join(', ')}, got ${JSON.stringify(scaling.type)}`);
  for (const [name, value] of Object.entries(scaling)) {
    if (name !== 'type' && !(typeof value === 'number' && value > 0 && Number.isFinite(value))) throw new RangeError(`${owner}: scaling.${name} must be a number greater than 0, got ${value}`);
  }
  if (scaling.factor < 1) throw new RangeError(`${owner}: scaling.factor must be at least 1, got ${scaling.factor}`);
  if (scaling.type === 'yarn' && !((scaling.fastTurns ?? 32) > (scaling.slowTurns ?? 1))) throw new RangeError(`${owner}: scaling.fastTurns must be greater than slowTurns, got ${scaling.fastTurns ?? 32} and ${scaling.slowTurns ?? 1}`);
  if (scaling.type === 'llama3' && !((scaling.highFrequencyFactor ?? 4) > (scaling.lowFrequencyFactor ?? 1))) throw new RangeError(`${owner}: scaling.highFrequencyFactor must be greater than lowFrequencyFactor, got ${scaling.highFrequencyFactor ?? 4} and ${scaling.lowFrequencyFactor ?? 1}`);
}

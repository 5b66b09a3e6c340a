import { assertCount, endless, type Batch, type Batches } from './batches.js';
import { rowDraws } from './counter-random.js';
import { finite, type EvaluationBatches } from './evaluation-batches.js';
import { maskStream } from './length-buckets.js';

export interface MaskingOptions {
  /** V: replaced tokens are drawn from 0 to V − 1. */
  readonly vocabularySize: number;
  /** The token that stands for a hidden one. */
  readonly mask: number;
  readonly seed: number;
  /** The share of a row's tokens that is to be predicted; default 0.15. */
  readonly share?: number;
}

/**
 * Batches for a masked language model: of each row's tokens a share, at least one, is to be predicted. Of those, 80 % are
 * hidden behind `mask`, 10 % replaced by any token, 10 % left. Targets are −1 elsewhere. What is drawn is a function of
 * (seed, step, row). Devlin et al. 2018, arXiv 1810.04805.
 */
export function maskedBatches(batches: Batches, options: MaskingOptions): Batches {
  const mask = masking(options);
  return endless(batches.shape, (step) => mask(batches.batchAt(step), step));
}

/** The same of a text that is read once (`evaluationBatches`): always the same tokens are predicted. */
export function maskedEvaluation(batches: EvaluationBatches, options: MaskingOptions): EvaluationBatches {
  const mask = masking(options), [, T] = batches.shape, { predictions: tokens } = batches, share = options.share ?? defaultShare;
  const predictions = Math.floor(tokens / T) * chosenCount(T, share) + chosenCount(tokens % T, share);
  return finite(batches.shape, batches.count, predictions, (index) => {
    const { weights, ...batch } = batches.batchAt(index), padding = Uint32Array.from(weights, (weight) => (weight === 0 ? 1 : 0));
    const masked = mask({ ...batch, padding }, index);
    return { ...masked, weights: Float32Array.from(masked.targets, (target) => (target < 0 ? 0 : 1)) };
  });
}

const defaultShare = 0.15;
const chosenCount = (tokens: number, share: number): number => (tokens === 0 ? 0 : Math.max(1, Math.round(share * tokens)));

function masking({ vocabularySize, mask, seed, share = defaultShare }: MaskingOptions): (batch: Batch, step: number) => Batch {
  assertCount('seed', seed, 0);
  assertCount('vocabularySize', vocabularySize, 1);
  if (!(share > 0 && share <= 1)) throw new RangeError(`maskedBatches: share must be above 0 and at most 1, got ${share}`);
  return (batch, step) => {
    const [B, T] = batch.shape, tokens = batch.tokens.slice(), targets = new Int32Array(B * T).fill(-1);
    for (let row = 0; row < B; row++) {
      const below = rowDraws(seed, step, row, maskStream), places: number[] = [];
      for (let at = row * T; at < (row + 1) * T; at++) if (!batch.padding?.[at]) places.push(at);
      const count = chosenCount(places.length, share);
      for (let i = 0; i < count; i++) {
        const other = i + below(places.length - i), at = places[other]!, lot = below(10);
        places[other] = places[i]!;
        targets[at] = tokens[at]!;
        if (lot < 8) tokens[at] = mask;
        else if (lot === 8) tokens[at] = below(vocabularySize);
      }
    }
    return { ...batch, tokens, targets };
  };
}

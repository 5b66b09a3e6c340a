import { applyTemperature, argmax, keepMinP, keepTopK, keepTopP, keepTypical, penalizeRepetition, softmax } from './filters.js';

/** How the next token is drawn. What is given acts in this order: repetitionPenalty, temperature, topK, topP, minP, typical. */
export interface SamplingOptions {
  /** From 1: how much less likely a token becomes that the text holds already; default 1: no less. */
  readonly repetitionPenalty?: number | undefined;
  /** From 0; default 1. 0 takes the most likely token, of equals the first. */
  readonly temperature?: number | undefined;
  /** Only the K most likely tokens stay. */
  readonly topK?: number | undefined;
  /** Only the fewest most likely tokens stay whose probabilities sum to at least P: the nucleus. */
  readonly topP?: number | undefined;
  /** Only tokens stay that are at least P times as likely as the most likely one. */
  readonly minP?: number | undefined;
  /** Only the tokens of most usual surprise stay whose probabilities sum to at least this. */
  readonly typical?: number | undefined;
}

const share = (value: number): boolean => value > 0 && value <= 1;
const limits: readonly (readonly [keyof SamplingOptions, string, (value: number) => boolean])[] = [
  ['repetitionPenalty', 'a number from 1', (value) => value >= 1 && value < Infinity],
  ['temperature', 'a number from 0', (value) => value >= 0 && value < Infinity],
  ['topK', 'a whole number from 1', (value) => Number.isSafeInteger(value) && value >= 1],
  ['topP', 'a number above 0 and at most 1', share],
  ['minP', 'a number above 0 and at most 1', share],
  ['typical', 'a number above 0 and at most 1', share],
];

/** @throws {RangeError} on an option out of range. */
export function checkSampling(options: SamplingOptions): void {
  for (const [name, allowed, isAllowed] of limits) {
    const value = options[name];
    if (value !== undefined && !isAllowed(value)) throw new RangeError(`sampling: ${name} must be ${allowed}, got ${value}`);
  }
}

/** Whether the next token is that of the greatest logit, whatever the text before. */
export const isGreedy = ({ temperature = 1, repetitionPenalty = 1 }: SamplingOptions): boolean => temperature === 0 && repetitionPenalty === 1;

/**
 * The probabilities (f64 [V]) of the next token after a text; changes the logits (f32 [V]). Logits that are no number count
 * as −∞.
 * @throws {RangeError} where no logit is above −∞.
 */
export function distribution(logits: Float32Array, options: SamplingOptions, history: ArrayLike<number>): Float64Array {
  for (let i = 0; i < logits.length; i++) if (Number.isNaN(logits[i]!)) logits[i] = -Infinity;
  const { repetitionPenalty = 1, temperature = 1, topK, topP, minP, typical } = options;
  if (repetitionPenalty !== 1) penalizeRepetition(logits, history, repetitionPenalty);
  const best = argmax(logits);
  if (!(logits[best]! > -Infinity)) throw new RangeError('sampling: no token is possible: every logit is −∞ or no number');
  if (temperature === 0) {
    const certain = new Float64Array(logits.length);
    certain[best] = 1;
    return certain;
  }
  applyTemperature(logits, temperature);
  if (topK !== undefined) keepTopK(logits, topK);
  if (topP !== undefined) keepTopP(logits, topP);
  if (minP !== undefined) keepMinP(logits, minP);
  if (typical !== undefined) keepTypical(logits, typical);
  return softmax(logits);
}

/** The token on which a number from 0 to below 1 falls: the shares of the tokens lie side by side in their order. */
export function draw(probabilities: ArrayLike<number>, uniform: number): number {
  let total = 0, last = 0;
  for (let i = 0; i < probabilities.length; i++) total += probabilities[i]!;
  let rest = uniform * total;
  for (let i = 0; i < probabilities.length; i++) {
    const p = probabilities[i]!;
    if (p === 0) continue;
    last = i;
    if ((rest -= p) < 0) return i;
  }
  return last;
}

/** How the next token is drawn. */
export interface SamplingOptions {
  /** Logits are divided by it; 0 takes the most likely token. */
  readonly temperature: number;
  /** Only the K most likely tokens stay; absent: all. */
  readonly topK?: number;
  /** Only the fewest most likely tokens whose probabilities sum to at least P stay (the nucleus); absent: all. Holtzman et al., 2020. */
  readonly topP?: number;
}

/**
 * Draws a token from softmax(logits / temperature), cut to the top K and then to the nucleus P.
 *
 * @param logits V numbers.
 * @param uniform A number from 0 to below 1.
 * @throws RangeError on an option out of range, or where no logit is a number.
 */
export function sample(logits: ArrayLike<number>, { temperature, topK, topP }: SamplingOptions, uniform: number): number {
  if (!(temperature >= 0 && temperature < Infinity)) throw new RangeError(`sample: temperature must be a number from 0, got ${temperature}`);
  if (topK !== undefined && !(Number.isSafeInteger(topK) && topK >= 1)) throw new RangeError(`sample: topK must be a whole number from 1, got ${topK}`);
  if (topP !== undefined && !(topP > 0 && topP <= 1)) throw new RangeError(`sample: topP must be a number above 0 and at most 1, got ${topP}`);
  const order = Array.from({ length: logits.length }, (_, id) => id).filter((id) => !Number.isNaN(logits[id]!));
  if (order.length === 0) throw new RangeError('sample: no logit is a number');
  order.sort((a, b) => logits[b]! - logits[a]! || a - b);
  if (temperature === 0) return order[0]!;
  const kept = order.slice(0, topK ?? order.length);
  const peak = logits[kept[0]!]!;
  const weights = kept.map((id) => Math.exp((logits[id]! - peak) / temperature));
  const count = topP === undefined ? kept.length : nucleus(weights, topP);

  let rest = uniform * sum(weights, count);
  for (let i = 0; i < count - 1; i++) {
    rest -= weights[i]!;
    if (rest < 0) return kept[i]!;
  }
  return kept[count - 1]!;
}

/** How many of the falling weights make up at least the share `topP` of all. */
function nucleus(weights: readonly number[], topP: number): number {
  const wanted = topP * sum(weights, weights.length);
  let reached = 0, count = 0;
  while (count < weights.length && reached < wanted) reached += weights[count++]!;
  return Math.max(1, count);
}

function sum(weights: readonly number[], count: number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total += weights[i]!;
  return total;
}

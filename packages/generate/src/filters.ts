/**
 * What shapes the distribution of the next token: each function changes the logits (f32 [V]) that it is given and nothing
 * else. A token at −∞ is never drawn.
 */

/** Tokens that the text holds already become less likely: a logit above 0 is divided by `penalty`, one below is multiplied. Keskar et al. 2019, arXiv 1909.05858. */
export function penalizeRepetition(logits: Float32Array, history: ArrayLike<number>, penalty: number): void {
  const seen = new Set<number>();
  for (let i = 0; i < history.length; i++) {
    const id = history[i]!, logit = logits[id];
    if (logit === undefined || seen.has(id)) continue;
    seen.add(id);
    logits[id] = logit > 0 ? logit / penalty : logit * penalty;
  }
}

/** (logit − greatest logit) / temperature: the same distribution as logit / temperature, without overflow. */
export function applyTemperature(logits: Float32Array, temperature: number): void {
  const peak = peakOf(logits);
  for (let i = 0; i < logits.length; i++) logits[i] = (logits[i]! - peak) / temperature;
}

/** Keeps the K most likely tokens, and those as likely as the last of them. Fan et al. 2018, arXiv 1805.04833. */
export function keepTopK(logits: Float32Array, k: number): void {
  if (k >= logits.length) return;
  dropBelow(logits, falling(logits)[k - 1]!);
}

/** The nucleus: keeps the fewest most likely tokens whose probabilities sum to at least P, and those as likely as the last of them. Holtzman et al. 2020, arXiv 1904.09751. */
export function keepTopP(logits: Float32Array, p: number): void {
  const order = falling(logits), peak = order[0]!;
  let total = 0;
  for (let i = 0; i < order.length; i++) total += Math.exp(order[i]! - peak);
  let last = 0;
  for (let mass = 0; last < order.length - 1; last++) if ((mass += Math.exp(order[last]! - peak)) >= p * total) break;
  dropBelow(logits, order[last]!);
}

/** Keeps the tokens at least P times as likely as the most likely one. Nguyen et al. 2024, arXiv 2407.01082. */
export function keepMinP(logits: Float32Array, p: number): void {
  dropBelow(logits, peakOf(logits) + Math.log(p));
}

/**
 * Keeps the fewest tokens whose surprise −log p lies nearest to the distribution's entropy and whose probabilities sum to at
 * least `mass`. Of tokens equally near, the more likely comes first. Meister et al. 2023, arXiv 2202.00666.
 */
export function keepTypical(logits: Float32Array, mass: number): void {
  const probabilities = softmax(logits);
  let entropy = 0;
  for (const p of probabilities) if (p > 0) entropy -= p * Math.log(p);
  const distance = (id: number): number => Math.abs(-Math.log(probabilities[id]!) - entropy);
  const order = [...probabilities.keys()].filter((id) => probabilities[id]! > 0).sort((a, b) => distance(a) - distance(b) || probabilities[b]! - probabilities[a]! || a - b);
  let reached = 0;
  for (const id of order) {
    if (reached >= mass) logits[id] = -Infinity;
    reached += probabilities[id]!;
  }
}

/** exp(logit) / Σ exp(logit) in f64, without overflow. */
export function softmax(logits: Float32Array): Float64Array {
  const peak = peakOf(logits), weights = new Float64Array(logits.length);
  let total = 0;
  for (let i = 0; i < logits.length; i++) total += weights[i] = Math.exp(logits[i]! - peak);
  for (let i = 0; i < weights.length; i++) weights[i]! /= total;
  return weights;
}

/** The number of the greatest logit; of equals the first. */
export function argmax(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}

function peakOf(logits: Float32Array): number { return logits[argmax(logits)]!; }

/** The logits above −∞, the greatest first. */
function falling(logits: Float32Array): Float32Array {
  return logits.filter((logit) => logit > -Infinity).sort().reverse();
}

function dropBelow(logits: Float32Array, least: number): void {
  for (let i = 0; i < logits.length; i++) if (logits[i]! < least) logits[i] = -Infinity;
}

import { sliceTokens, type TokenSource } from '@ashlar/text';
import type { Baseline } from './charts.js';

/** Tables of pairs are made for vocabularies up to this. */
const largestVocabulary = 1024;
const windowTokens = 1 << 16;

/**
 * What counting reaches on the held-out text, or its documents, in nats a token: how often each token occurs in the training text, and
 * how often after the one before it (interpolated with the former by the Witten–Bell weight n / (n + kinds)).
 */
export function countingBaselines(train: Iterable<TokenSource>, validation: Iterable<TokenSource>, vocabulary: number): Baseline[] {
  if (vocabulary > largestVocabulary) return [];
  const singles = new Float64Array(vocabulary), pairs = new Float64Array(vocabulary * vocabulary);
  eachPair(train, (before, token) => {
    singles[token]!++;
    pairs[before * vocabulary + token]!++;
  });
  const total = singles.reduce((sum, count) => sum + count, 0);
  const kinds = new Float64Array(vocabulary), follows = new Float64Array(vocabulary);
  for (let before = 0; before < vocabulary; before++) {
    for (let token = 0; token < vocabulary; token++) {
      const count = pairs[before * vocabulary + token]!;
      follows[before]! += count;
      if (count > 0) kinds[before]!++;
    }
  }
  let singleLoss = 0, pairLoss = 0, predictions = 0;
  eachPair(validation, (before, token) => {
    const alone = (singles[token]! + 1) / (total + vocabulary);
    const seen = follows[before]!, weight = seen === 0 ? 0 : seen / (seen + kinds[before]!);
    const after = seen === 0 ? alone : weight * (pairs[before * vocabulary + token]! / seen) + (1 - weight) * alone;
    singleLoss -= Math.log(alone);
    pairLoss -= Math.log(after);
    predictions++;
  });
  return [{ label: 'counting tokens', loss: singleLoss / predictions }, { label: 'counting pairs', loss: pairLoss / predictions }];
}

function eachPair(sources: Iterable<TokenSource>, visit: (before: number, token: number) => void): void {
  for (const source of sources) for (let start = 0; start < source.length - 1; start += windowTokens) {
    const window = new Int32Array(Math.min(windowTokens + 1, source.length - start));
    sliceTokens(source, start, start + window.length).read(0, window);
    for (let i = 1; i < window.length; i++) visit(window[i - 1]!, window[i]!);
  }
}

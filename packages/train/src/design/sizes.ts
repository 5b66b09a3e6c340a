/** The sizes that are tried, and how long and with which batches they are trained. */

/** C, L and D of a model. */
export interface Size { readonly width: number; readonly depth: number; readonly headWidth: number }

/** From the smallest: each has roughly one and a half to two times the parameters of the one before. */
export const sizes: readonly Size[] = [
  [32, 2, 16], [64, 2, 32], [64, 4, 32], [96, 4, 32], [128, 4, 32], [128, 6, 32], [192, 6, 32], [256, 6, 32], [256, 8, 32], [320, 8, 64],
  [384, 8, 64], [512, 8, 64], [512, 12, 64], [768, 12, 64], [1024, 12, 64], [1024, 20, 64], [1280, 24, 64], [1536, 24, 64], [2048, 24, 128],
].map(([width, depth, headWidth]) => ({ width: width!, depth: depth!, headWidth: headWidth! }));

/** Tokens of training a parameter: where the loss is lowest for the operations spent (Hoffmann et al. 2022, arXiv 2203.15556), and for a model that will be used much, so that it is smaller and trained for longer (Sardana et al. 2023, arXiv 2401.00448). */
export const tokensPerParameter = { training: 20, inference: 100 } as const;

/** A text read up to so many times teaches almost as much as new text. Muennighoff et al. 2023, arXiv 2305.16264. */
export const usefulEpochs = 4;

/** Tokens a parameter beyond which a training goes on for little. */
const mostTokensPerParameter = 100;

/** Parameters that so many tokens of text can teach. */
export const parametersFor = (dataTokens: number, purpose: keyof typeof tokensPerParameter): number => (usefulEpochs * dataTokens) / tokensPerParameter[purpose];

/** Tokens to train on: at least `least`, where the text has them in its useful epochs, at most as many as are of use. */
export function trainingTokens(parameters: number, dataTokens: number, purpose: keyof typeof tokensPerParameter): { readonly least: number; readonly most: number } {
  const useful = usefulEpochs * dataTokens;
  return { least: Math.min(useful, tokensPerParameter[purpose] * parameters), most: Math.min(useful, mostTokensPerParameter * parameters) };
}

/** Tokens of a step: greater models gain from greater batches (McCandlish et al. 2018, arXiv 1812.06162). */
const batchTokens: readonly (readonly [parameters: number, tokens: number])[] = [[1e6, 2048], [1e7, 8192], [1e8, 32768], [Infinity, 131072]];

/** Fewer steps than this are no training: then rows are taken from the batch. */
const leastSteps = 500;

/** B, rows of a batch of rows of `rowTokens` tokens, for a training on `tokens` tokens. */
export function batchFor(parameters: number, rowTokens: number, tokens: number): number {
  const [, wanted] = batchTokens.find(([most]) => parameters < most)!;
  return Math.max(1, Math.round(Math.min(wanted, tokens / leastSteps) / rowTokens));
}

/** The learning rate at its peak, for N parameters: 0.003239 − 0.0001395 ln N (Kaplan et al. 2020, arXiv 2001.08361, D.6), with two digits. */
export const learningRateFor = (parameters: number): number => Number(Math.max(1e-4, 0.003239 - 0.0001395 * Math.log(parameters)).toPrecision(2));

import type { NormVariant } from '@ashlar/nn';
import { dynamicTanh, groupNorm, layerNorm, rmsNorm, scaleNorm } from '@ashlar/norm';
import { z } from 'zod';
import { bias, count, entriesOf, epsilon } from './entry.js';

const norm = entriesOf<NormVariant>();

export const norms = {
  layerNorm: norm({ summary: 'Mean and variance of each token', formula: '(x − mean) / √(variance + ε) · γ + β', paper: 'arXiv 1607.06450', options: { epsilon: epsilon('1e-5', 'the variance'), bias }, example: {}, create: (options) => layerNorm(options) }),
  rmsNorm: norm({
    summary: 'Root mean square of each token', formula: 'x / √(mean x² + ε) · γ', paper: 'arXiv 1910.07467',
    options: {
      epsilon: epsilon('1e-6', 'the mean square'),
      gain: z.enum(['plain', 'onePlus']).optional().describe('× γ from 1, or × (1 + γ) from 0; default plain.'),
      cast: z.enum(['afterGain', 'beforeGain']).optional().describe('When f16 input is rounded back; default afterGain.'),
    },
    example: {}, create: (options) => rmsNorm(options),
  }),
  scaleNorm: norm({
    summary: 'The length of each token, and one learned number', formula: 'g · x / max(‖x‖, ε)', paper: 'arXiv 1910.05895',
    options: { epsilon: z.number().gt(0).optional().describe('The least length that is divided by; default 1e-5.') }, example: {}, create: (options) => scaleNorm(options),
  }),
  groupNorm: norm({
    summary: 'Mean and variance of each group of a token\'s features', formula: '(x − mean) / √(variance + ε) · γ + β, of each group', paper: 'arXiv 1803.08494',
    options: { groups: count().describe('How many; divides the width.'), epsilon: epsilon('1e-5', 'the variance'), bias }, example: { groups: 2 }, create: (options) => groupNorm(options),
  }),
  dynamicTanh: norm({
    summary: 'A tanh of each feature: no statistics', formula: 'γ ⊙ tanh(α x) + β', paper: 'arXiv 2503.10622',
    options: { initial: z.number().optional().describe('What α begins at; default 0.5.'), bias }, example: {}, create: (options) => dynamicTanh(options),
  }),
} as const;

import type { ResidualVariant } from '@ashlar/nn';
import { deepNorm, layerScale, parallelNorm, postNorm, preNorm, reZero, sandwichNorm, subNorm } from '@ashlar/norm';
import { z } from 'zod';
import { entriesOf } from './entry.js';

const residual = entriesOf<ResidualVariant>();

export const residuals = {
  preNorm: residual({ summary: 'x + f(norm(x))', paper: 'arXiv 2002.04745', options: {}, example: {}, create: () => preNorm() }),
  postNorm: residual({ summary: 'norm(x + f(x))', paper: 'arXiv 1706.03762', options: {}, example: {}, create: () => postNorm() }),
  sandwichNorm: residual({ summary: 'x + norm(f(norm(x)))', paper: 'arXiv 2105.13290', options: {}, example: {}, create: () => sandwichNorm() }),
  deepNorm: residual({ summary: 'norm(α x + f(x)), with the beginning that belongs to it', paper: 'arXiv 2203.00555', options: {}, example: {}, create: () => deepNorm() }),
  subNorm: residual({ summary: 'x + f(norm(x)) with a norm inside f, and the beginning that belongs to it', paper: 'arXiv 2210.06423', options: {}, example: {}, create: () => subNorm() }),
  parallelNorm: residual({
    summary: 'x + attention(norm(x)) + feedForward(norm(x))', paper: 'arXiv 2204.06745',
    options: { norms: z.enum(['shared', 'separate']).optional().describe('One norm (GPT-J), or one each (GPT-NeoX); default shared.') }, example: {}, create: (options) => parallelNorm(options),
  }),
  reZero: residual({ summary: 'x + α f(x), α from 0; no norm', paper: 'arXiv 2003.04887', options: {}, example: {}, create: () => reZero() }),
  layerScale: residual({
    summary: 'x + λ ⊙ f(norm(x)), λ small at first', paper: 'arXiv 2103.17239',
    options: { initial: z.number().optional().describe('What λ begins at; default 0.1 up to 18 layers, 1e-5 up to 24, 1e-6 for more.') }, example: {}, create: (options) => layerScale(options),
  }),
} as const;

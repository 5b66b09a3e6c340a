import type { ResidualVariant } from '@ashlar/nn';
import { deepNorm, layerScale, parallelNorm, postNorm, preNorm, reZero, sandwichNorm, subNorm } from '@ashlar/norm';
import { z } from 'zod';
import { entriesOf } from './entry.js';

const residual = entriesOf<ResidualVariant>();

export const residuals = {
  preNorm: residual({ summary: 'Each sublayer sees a normalized stream', formula: 'x + f(norm(x))', paper: 'arXiv 2002.04745', options: { firstNorm: z.boolean().optional().describe('Whether the first sublayer has a norm; default true.') }, example: {}, create: (options) => preNorm(options) }),
  postNorm: residual({ summary: 'The stream is normalized after each sublayer', formula: 'norm(x + f(x))', paper: 'arXiv 1706.03762', options: {}, example: {}, create: () => postNorm() }),
  sandwichNorm: residual({ summary: 'Each sublayer is normalized before and after', formula: 'x + norm(f(norm(x)))', paper: 'arXiv 2105.13290', options: {}, example: {}, create: () => sandwichNorm() }),
  deepNorm: residual({ summary: 'Post-norm with a stream that weighs more, and the beginning that belongs to it', formula: 'norm(α x + f(x))', paper: 'arXiv 2203.00555', options: {}, example: {}, create: () => deepNorm() }),
  subNorm: residual({ summary: 'Pre-norm with a norm inside each sublayer too, and the beginning that belongs to it', formula: 'x + f(norm(x)), with f(x) = g(norm(h(x)))', paper: 'arXiv 2210.06423', options: {}, example: {}, create: () => subNorm() }),
  parallelNorm: residual({
    summary: 'The sublayers of a layer side by side', formula: 'x + attention(norm(x)) + feedForward(norm(x))', paper: 'arXiv 2204.06745',
    options: { norms: z.enum(['shared', 'separate']).optional().describe('One norm (GPT-J), or one each (GPT-NeoX); default shared.') }, example: {}, create: (options) => parallelNorm(options),
  }),
  reZero: residual({ summary: 'A learned number a sublayer, which begins at 0; no norm', formula: 'x + α f(x)', paper: 'arXiv 2003.04887', options: {}, example: {}, create: () => reZero() }),
  layerScale: residual({
    summary: 'Pre-norm with a learned factor a feature, which begins small', formula: 'x + λ ⊙ f(norm(x))', paper: 'arXiv 2103.17239',
    options: { initial: z.number().optional().describe('What λ begins at; default 0.1 up to 18 layers, 1e-5 up to 24, 1e-6 for more.') }, example: {}, create: (options) => layerScale(options),
  }),
} as const;

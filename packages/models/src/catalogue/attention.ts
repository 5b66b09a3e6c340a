import { grouped, multiHead } from '@ashlar/attention';
import type { AttentionVariant } from '@ashlar/nn';
import { z } from 'zod';
import { bias, count, entriesOf } from './entry.js';

const attention = entriesOf<AttentionVariant>();

const heads = {
  heads: count().describe('H, query heads.'),
  headWidth: count().optional().describe('D; default width / heads.'),
  bias,
  causal: z.boolean().optional().describe('Whether a token sees only itself and those before it; default true.'),
  scale: z.number().gt(0).optional().describe('Factor of the scores; default 1/√D.'),
};

export const attentions = {
  multiHead: attention({ summary: 'Softmax attention, each head with keys and values of its own', paper: 'arXiv 1706.03762', options: heads, example: { heads: 2 }, create: (options) => multiHead(options) }),
  grouped: attention({
    summary: 'Softmax attention, several query heads a key/value head', paper: 'arXiv 2305.13245',
    options: { ...heads, kvHeads: count().describe('G, a divisor of heads.') }, example: { heads: 2, kvHeads: 1 }, create: (options) => grouped(options),
  }),
} as const;

import { entriesOf } from '@ashlar/models';
import type { AttentionVariant } from '@ashlar/nn';
import { z } from 'zod';
import { myAttention } from './my-attention.js';

/** What a config may name: `build(config, { parts })`. */
export const parts = {
  attention: {
    myAttention: entriesOf<AttentionVariant>()({
      summary: 'Multi-head attention in a window, whose scores fade with distance', formula: 'softmax(scale · Q Kᵀ − fade · (q − k), over 0 ≤ q − k < windowKeys) V', paper: 'unpublished',
      options: {
        heads: z.int().min(1).describe('H, query heads.'), windowKeys: z.int().min(1).describe('How many keys a query sees, itself included.'),
        fade: z.number().describe('By how much a score falls for each token that stands between key and query.'),
      },
      example: { heads: 2, windowKeys: 3, fade: 0.5 }, create: (options) => myAttention(options),
    }),
  },
};

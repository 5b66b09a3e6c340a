import type { EncoderConfigInput } from '../model-config.js';
import type { HeadOption } from './bert.js';
import { roberta } from './roberta.js';
import type { Sizes } from './sizes.js';

/** Longformer, base: RoBERTa whose tokens see a window, and whose first tokens see all, by projections of their own. Beltagy et al. 2020, arXiv 2004.05150. */
export const longformer = ({ heads = 12, maxLength = 4096, windowKeys = 513, globalTokens = 1, ...sizes }: Sizes & HeadOption & { readonly windowKeys?: number; readonly globalTokens?: number } = {}): EncoderConfigInput => ({
  ...roberta({ heads, maxLength, ...sizes }),
  attention: { type: 'longformer', heads, windowKeys, globalTokens },
});

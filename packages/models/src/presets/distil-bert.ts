import type { EncoderConfigInput } from '../model-config.js';
import { bert, type HeadOption } from './bert.js';
import type { Sizes } from './sizes.js';

/** DistilBERT: BERT of six layers without token types. Sanh et al. 2019, arXiv 1910.01108. */
export function distilBert({ depth = 6, ...sizes }: Sizes & HeadOption = {}): EncoderConfigInput {
  const { tokenTypes: _, ...config } = bert({ depth, ...sizes });
  return { ...config, initialisation: { std: 0.02, scaledResidual: false } };
}

import type { EncoderConfigInput } from '../model-config.js';
import { bert, type HeadOption } from './bert.js';
import type { Sizes } from './sizes.js';

/** RoBERTa, base: BERT with one token type, and positions that begin behind two rows. Liu et al. 2019, arXiv 1907.11692. */
export const roberta = ({ vocabulary = 50265, ...sizes }: Sizes & HeadOption = {}): EncoderConfigInput => ({
  ...bert({ vocabulary, ...sizes }), tokenTypes: 1,
  positional: { type: 'learned', offset: 2 },
  norm: { type: 'layerNorm', epsilon: 1e-5 },
  initialisation: { std: 0.02, scaledResidual: false },
});

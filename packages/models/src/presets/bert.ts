import type { EncoderConfigInput } from '../model-config.js';
import type { Sizes } from './sizes.js';

/** What an encoder's preset says of its states. */
export interface HeadOption { readonly head?: EncoderConfigInput['head'] }

/** The head that masked language models of BERT's kind have. */
const maskedLanguageHead = { type: 'language', transform: { activation: 'gelu', norm: true }, headBias: true } as const;

/**
 * BERT, base; large: width 1024, depth 24, heads 16. The head predicts tokens; to classify, give `{ type: 'classes',
 * classes, transform: { activation: 'tanh' } }`, whose transform is BERT's pooler: with two classes, for pairs of texts
 * with two token types, it is BERT's head for next sentences. A model has one head: there is no training on hidden tokens
 * and next sentences at once, whose second half Liu et al. 2019 (arXiv 1907.11692) found to be of no use. Devlin et al.
 * 2018, arXiv 1810.04805.
 */
export const bert = ({ vocabulary = 30522, width = 768, depth = 12, heads = 12, hidden = 4 * width, maxLength = 512, head = maskedLanguageHead }: Sizes & HeadOption = {}): EncoderConfigInput => ({
  modelType: 'encoder', vocabulary, width, depth, maxLength, tokenTypes: 2, embeddingNorm: true, bias: true, dropout: 0.1,
  attention: { type: 'multiHead', heads },
  positional: 'learned',
  norm: { type: 'layerNorm', epsilon: 1e-12 },
  residual: 'postNorm',
  feedForward: { type: 'mlp', hidden, activation: 'gelu' },
  head,
  initialisation: { scheme: 'truncatedNormal', std: 0.02, scaledResidual: false },
});

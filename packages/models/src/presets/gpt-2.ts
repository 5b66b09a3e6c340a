import type { DecoderConfigInput } from '../model-config.js';
import type { Sizes } from './sizes.js';

/** GPT-2, the smallest (124 M); medium: width 1024, depth 24, heads 16. Radford et al. 2019, "Language models are unsupervised multitask learners". */
export const gpt2 = ({ vocabulary = 50257, width = 768, depth = 12, heads = 12, hidden = 4 * width, maxLength = 1024 }: Sizes = {}): DecoderConfigInput => ({
  modelType: 'decoder', vocabulary, width, depth, maxLength, bias: true, dropout: 0.1,
  attention: { type: 'multiHead', heads },
  positional: 'learned',
  norm: { type: 'layerNorm', epsilon: 1e-5 },
  feedForward: { type: 'mlp', hidden, activation: 'geluTanh' },
});

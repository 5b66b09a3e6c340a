import type { EncoderDecoderConfigInput } from '../model-config.js';
import type { Sizes } from './sizes.js';

/**
 * T5, small; base: width 768, depth 12, heads 12, hidden 3072. Scores are not divided by √D, and the tied head's logits
 * are multiplied by C^−½. Raffel et al. 2019, arXiv 1910.10683.
 */
export const t5 = ({ vocabulary = 32128, width = 512, depth = 6, heads = 8, headWidth = 64, hidden = 2048 }: Omit<Sizes, 'maxLength'> & { readonly headWidth?: number } = {}): EncoderDecoderConfigInput => ({
  modelType: 'encoderDecoder', vocabulary, width, depth, dropout: 0.1,
  attention: { type: 'multiHead', heads, headWidth, scale: 1 },
  crossAttention: { type: 'cross', heads, headWidth, scale: 1 },
  positional: { type: 't5Bias', buckets: 32, maxDistance: 128 },
  norm: { type: 'rmsNorm', epsilon: 1e-6 },
  feedForward: { type: 'mlp', hidden, activation: 'relu' },
  logitScale: width ** -0.5,
  initialisation: { scheme: 'perMatrix' },
});

import type { EncoderDecoderConfigInput } from '../model-config.js';
import type { Sizes } from './sizes.js';

/** BART, base; large: width 1024, depth 12, heads 16. Lewis et al. 2019, arXiv 1910.13461. */
export const bart = ({ vocabulary = 50265, width = 768, depth = 6, heads = 12, hidden = 4 * width, maxLength = 1024 }: Sizes = {}): EncoderDecoderConfigInput => ({
  modelType: 'encoderDecoder', vocabulary, width, depth, maxLength, embeddingNorm: true, bias: true, dropout: 0.1,
  attention: { type: 'multiHead', heads },
  crossAttention: { type: 'cross', heads },
  positional: { type: 'learned', offset: 2 },
  norm: { type: 'layerNorm', epsilon: 1e-5 },
  residual: 'postNorm',
  feedForward: { type: 'mlp', hidden, activation: 'gelu' },
  initialisation: { std: 0.02, scaledResidual: false },
});

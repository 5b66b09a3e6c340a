import type { DecoderConfigInput } from '../model-config.js';
import type { Sizes } from './sizes.js';

/** nanoGPT's model of Shakespeare's characters on a CPU: GPT-2 without biases, with the exact GELU. github.com/karpathy/nanoGPT. */
export const nanoGpt = ({ vocabulary = 65, width = 128, depth = 4, heads = 4, hidden = 4 * width, maxLength = 64 }: Sizes = {}): DecoderConfigInput => ({
  modelType: 'decoder', vocabulary, width, depth, maxLength,
  attention: { type: 'multiHead', heads },
  positional: 'learned',
  norm: { type: 'layerNorm', epsilon: 1e-5 },
  feedForward: { type: 'mlp', hidden, activation: 'gelu' },
});

import type { DecoderConfigInput } from '../model-config.js';
import type { GroupedSizes } from './sizes.js';

/** Qwen 3, 0.6 B: heads wider than their share, with a norm of queries and keys. Yang et al. 2025, arXiv 2505.09388. */
export const qwen3 = ({ vocabulary = 151936, width = 1024, depth = 28, heads = 16, kvHeads = 8, headWidth = 128, hidden = 3072, maxLength = 40960 }: GroupedSizes = {}): DecoderConfigInput => ({
  modelType: 'decoder', vocabulary, width, depth, maxLength,
  attention: { type: 'grouped', heads, kvHeads, headWidth, queryKeyNorm: 'perHead', normEpsilon: 1e-6 },
  positional: { type: 'rotary', base: 1e6 },
  norm: { type: 'rmsNorm', epsilon: 1e-6 },
  feedForward: { type: 'swiglu', hidden },
  initialisation: { std: 0.02, scaledResidual: false },
});

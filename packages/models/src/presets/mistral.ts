import type { DecoderConfigInput } from '../model-config.js';
import type { GroupedSizes } from './sizes.js';

/** Mistral 7 B, whose tokens see `windowKeys` keys. Jiang et al. 2023, arXiv 2310.06825. */
export const mistral = ({ vocabulary = 32000, width = 4096, depth = 32, heads = 32, kvHeads = 8, headWidth = width / heads, hidden = 14336, maxLength = 32768, windowKeys = 4096 }: GroupedSizes & { readonly windowKeys?: number } = {}): DecoderConfigInput => ({
  modelType: 'decoder', vocabulary, width, depth, maxLength, tiedHead: false,
  attention: { type: 'grouped', heads, kvHeads, headWidth, mask: { type: 'slidingWindow', windowKeys } },
  positional: { type: 'rotary', base: 10000 },
  norm: { type: 'rmsNorm', epsilon: 1e-5 },
  feedForward: { type: 'swiglu', hidden },
  initialisation: { std: 0.02, scaledResidual: false },
});

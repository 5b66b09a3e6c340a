import type { DecoderConfigInput } from '../model-config.js';
import type { GroupedSizes } from './sizes.js';

/**
 * Gemma 3, 1 B: five local layers, then a global one, which turns by other angles; norms before and after each sublayer,
 * with gains 1 + γ (those of queries and keys are stored as γ' = 1 + γ). Gemma team 2025, arXiv 2503.19786.
 */
export const gemma3 = ({ vocabulary = 262144, width = 1152, depth = 26, heads = 4, kvHeads = 1, headWidth = 256, hidden = 6912, maxLength = 32768, windowKeys = 512 }: GroupedSizes & { readonly windowKeys?: number } = {}): DecoderConfigInput => {
  const attention = { type: 'grouped', heads, kvHeads, headWidth, queryKeyNorm: 'perHead' }, order = 'LLLLLG';
  return {
    modelType: 'decoder', vocabulary, width, depth, maxLength, embeddingScale: Math.sqrt(width),
    attention: { type: 'perLayer', order, variants: { L: { ...attention, mask: { type: 'slidingWindow', windowKeys } }, G: attention } },
    positional: { type: 'perLayer', order, variants: { L: { type: 'rotary', base: 10000 }, G: { type: 'rotary', base: 1e6 } } },
    norm: { type: 'rmsNorm', epsilon: 1e-6, gain: 'onePlus' },
    residual: 'sandwichNorm',
    feedForward: { type: 'gegluTanh', hidden },
    initialisation: { std: 0.02, scaledResidual: false },
  };
};

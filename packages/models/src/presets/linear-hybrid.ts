import type { DecoderConfigInput } from '../model-config.js';
import type { GroupedSizes } from './sizes.js';

/**
 * Three layers of the gated delta rule, then one of gated attention, again and again: a state of fixed size for most of
 * the text, and exact recall in every fourth layer, which alone has positions. Yang et al. 2024, arXiv 2412.06464; Qiu et
 * al. 2025, arXiv 2505.06708.
 */
export const linearHybrid = ({ vocabulary = 32000, width = 512, depth = 8, heads = 8, kvHeads = 2, headWidth = width / heads, hidden = 1376, maxLength = 8192 }: GroupedSizes = {}): DecoderConfigInput => ({
  modelType: 'decoder', vocabulary, width, depth, maxLength,
  attention: {
    type: 'perLayer', order: 'RRRA',
    variants: { R: { type: 'gatedDeltaRule', heads, headWidth }, A: { type: 'grouped', heads, kvHeads, headWidth, queryKeyNorm: 'perHead', gate: 'perElement' } },
  },
  positional: 'rotary',
  norm: 'rmsNorm',
  feedForward: { type: 'swiglu', hidden },
});

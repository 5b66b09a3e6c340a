import type { EncoderConfigInput } from '../model-config.js';
import type { HeadOption } from './bert.js';
import type { Sizes } from './sizes.js';

/**
 * ModernBERT, base: a global layer and two local ones, which turn by other angles; gated feed-forward, no biases, norms
 * before sublayers but for the first. Warner et al. 2024, arXiv 2412.13663.
 */
export const modernBert = ({ vocabulary = 50368, width = 768, depth = 22, heads = 12, hidden = 1152, maxLength = 8192, windowKeys = 129, head = { type: 'language', transform: { activation: 'gelu', norm: true }, headBias: true } }: Sizes & HeadOption & { readonly windowKeys?: number } = {}): EncoderConfigInput => {
  const attention = { type: 'multiHead', heads }, order = 'GLL';
  return {
    modelType: 'encoder', vocabulary, width, depth, maxLength, embeddingNorm: true,
    attention: { type: 'perLayer', order, variants: { G: attention, L: { ...attention, mask: { type: 'symmetricWindow', windowKeys } } } },
    positional: { type: 'perLayer', order, variants: { G: { type: 'rotary', base: 160000 }, L: { type: 'rotary', base: 10000 } } },
    norm: { type: 'layerNorm', epsilon: 1e-5 },
    residual: { type: 'perLayer', order: 'P', variants: { P: 'preNorm', F: { type: 'preNorm', firstNorm: false } }, overrides: { 0: 'F' } },
    feedForward: { type: 'geglu', hidden },
    head,
    initialisation: { scheme: 'truncatedNormal', std: 0.02 },
  };
};

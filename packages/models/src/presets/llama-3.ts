import type { DecoderConfigInput } from '../model-config.js';
import type { GroupedSizes } from './sizes.js';

/** Llama 3, 8 B; 70 B: width 8192, depth 80, heads 64, hidden 28672. Grattafiori et al. 2024, arXiv 2407.21783. */
export const llama3 = ({ vocabulary = 128256, width = 4096, depth = 32, heads = 32, kvHeads = 8, headWidth = width / heads, hidden = 14336, maxLength = 8192 }: GroupedSizes = {}): DecoderConfigInput => ({
  modelType: 'decoder', vocabulary, width, depth, maxLength, tiedHead: false,
  attention: { type: 'grouped', heads, kvHeads, headWidth },
  positional: { type: 'rotary', base: 500000 },
  norm: { type: 'rmsNorm', epsilon: 1e-5 },
  feedForward: { type: 'swiglu', hidden },
  initialisation: { std: 0.02, scaledResidual: false },
});

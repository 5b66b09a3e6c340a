import type { EncoderConfigInput } from '../model-config.js';
import { bert, type HeadOption } from './bert.js';
import type { Sizes } from './sizes.js';

/** BigBird, base: BERT over blocks, some of them drawn at random. Zaheer et al. 2020, arXiv 2007.14062. */
export const bigBird = ({ vocabulary = 50358, heads = 12, maxLength = 4096, block = 64, seed = 0, width = 768, hidden = 4 * width, ...sizes }: Sizes & HeadOption & { readonly block?: number; readonly seed?: number } = {}): EncoderConfigInput => ({
  ...bert({ vocabulary, heads, maxLength, width, hidden, head: { type: 'language', transform: { activation: 'geluTanh', norm: true }, headBias: true }, ...sizes }),
  attention: { type: 'bigBird', heads, block, seed },
  feedForward: { type: 'mlp', hidden, activation: 'geluTanh' },
});

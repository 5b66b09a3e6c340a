import { rotaryDecoder } from './rotary-decoder.js';

/** Mistral: a Llama with fewer key/value heads and a window of keys. Jiang et al. 2023, arXiv 2310.06825. */
export const mistral = rotaryDecoder({
  name: 'mistral', architecture: 'MistralForCausalLM',
  defaults: { vocabulary: 32000, hidden: 14336, context: 131072, kvHeads: 8 },
  feedForwardBias: false,
  readAttention(keys) {
    const windowKeys = keys.take('sliding_window') === null ? undefined : keys.count('sliding_window', 4096);
    return { bias: false, ...(windowKeys === undefined ? {} : { mask: { type: 'slidingWindow', windowKeys } }) };
  },
  writeAttention(attention, { bias }) {
    attention.only('bias', [false], bias);
    if (attention.optional('mask') === undefined) return { sliding_window: null };
    const mask = attention.inside('mask');
    mask.only('type', ['slidingWindow'], undefined);
    return { sliding_window: mask.count('windowKeys') };
  },
});

import { rotaryDecoder } from './rotary-decoder.js';

/** Llama 1 to 3. Touvron et al. 2023, arXiv 2302.13971. */
export const llama = rotaryDecoder({
  name: 'llama', architecture: 'LlamaForCausalLM',
  defaults: { vocabulary: 32000, hidden: 11008, context: 2048 },
  feedForwardBias: true,
  readAttention(keys) {
    keys.only('pretraining_tp', [1], 1);
    return { bias: keys.flag('attention_bias', false) };
  },
  writeAttention: (attention, { bias }) => ({ attention_bias: attention.flag('bias', bias) }),
});

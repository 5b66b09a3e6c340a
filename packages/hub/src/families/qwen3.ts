import { refuseWindows } from './qwen2.js';
import { rotaryDecoder } from './rotary-decoder.js';

/** Qwen 3: a Llama with a norm of each query and key head. Yang et al. 2025, arXiv 2505.09388. */
export const qwen3 = rotaryDecoder({
  name: 'qwen3', architecture: 'Qwen3ForCausalLM',
  defaults: { vocabulary: 151936, hidden: 22016, context: 32768, kvHeads: 32, headWidth: 128 },
  feedForwardBias: false,
  readAttention(keys, epsilon) {
    refuseWindows(keys);
    return { bias: keys.flag('attention_bias', false), queryKeyNorm: 'perHead', normEpsilon: epsilon };
  },
  writeAttention(attention, { bias, epsilon }) {
    attention.only('queryKeyNorm', ['perHead'], undefined);
    attention.only('normEpsilon', [epsilon], 1e-6);
    return { attention_bias: attention.flag('bias', bias), use_sliding_window: false };
  },
});

import type { ConfigKeys } from '../config-keys.js';
import { rotaryDecoder } from './rotary-decoder.js';

/** Qwen 2 and 2.5: a Llama with biases on queries, keys and values. Yang et al. 2024, arXiv 2407.10671. */
export const qwen2 = rotaryDecoder({
  name: 'qwen2', architecture: 'Qwen2ForCausalLM',
  defaults: { vocabulary: 151936, hidden: 22016, context: 32768, kvHeads: 32 },
  feedForwardBias: false,
  readAttention(keys) {
    refuseWindows(keys);
    return { bias: true, outputBias: false };
  },
  writeAttention(attention, { bias }) {
    const projections = attention.only('bias', [true], bias);
    attention.only('outputBias', [false], projections);
    return { use_sliding_window: false };
  },
});

/** Windows in some of the layers alone are not read; where they are off, their sizes mean nothing. */
export function refuseWindows(keys: ConfigKeys): void {
  keys.only('use_sliding_window', [false], false);
  keys.ignore(['sliding_window', 'max_window_layers']);
  const types = keys.optional('layer_types');
  if (types !== undefined && !(Array.isArray(types) && types.every((type) => type === 'full_attention'))) throw keys.wrong('layer_types', 'a list of "full_attention"', types);
}

/** What Llama and those after it have alike: pre-norm, RMS norms, rotary positions, grouped heads, a gated feed-forward. */
import type { DecoderConfigInput, PartConfig } from '@ashlar/models';
import { divided, type ConfigKeys } from '../config-keys.js';
import type { Family } from './family.js';
import { contextOf, dropoutOf, gatedTypes, gateNames, hiddenOf, initialStd, plainStack } from './parts.js';
import { readRotary, writeRotary } from './rotary-positions.js';

type GroupedConfig = Extract<PartConfig<'attention'>, { readonly type: 'grouped' }>;

/** In what a family differs from the others. */
export interface RotaryDecoderFamily {
  readonly name: string;
  /** The class that Hugging Face builds. */
  readonly architecture: string;
  /** What its config.json means where it says nothing. */
  readonly defaults: {
    readonly vocabulary: number; readonly hidden: number; readonly context: number;
    /** Absent: as many as query heads. */
    readonly kvHeads?: number;
    /** Absent: width / heads. */
    readonly headWidth?: number;
  };
  /** Whether the feed-forward may have biases, by `mlp_bias`. */
  readonly feedForwardBias: boolean;
  /** Biases, norms and masks of its attention. */
  readAttention(keys: ConfigKeys, epsilon: number): Partial<GroupedConfig>;
  /** The same from ours. `bias`: that of the model. */
  writeAttention(attention: ConfigKeys, about: { readonly bias: boolean; readonly epsilon: number }): Readonly<Record<string, unknown>>;
}

export function rotaryDecoder({ name, architecture, defaults, feedForwardBias, readAttention, writeAttention }: RotaryDecoderFamily): Family {
  return {
    name, modelType: 'decoder',
    table: () => ({
      prefix: 'model.',
      modules: [
        ['model.embed_tokens', 'tokens'],
        ['model.layers.N.input_layernorm', 'layers.N.residual.norms.0'],
        ['model.layers.N.self_attn.q_proj', 'layers.N.attention.query'],
        ['model.layers.N.self_attn.k_proj', 'layers.N.attention.key'],
        ['model.layers.N.self_attn.v_proj', 'layers.N.attention.value'],
        ['model.layers.N.self_attn.q_norm.weight', 'layers.N.attention.queryGain'],
        ['model.layers.N.self_attn.k_norm.weight', 'layers.N.attention.keyGain'],
        ['model.layers.N.self_attn.o_proj', 'layers.N.attention.output'],
        ['model.layers.N.post_attention_layernorm', 'layers.N.residual.norms.1'],
        ['model.layers.N.mlp.gate_proj', 'layers.N.feedForward.gate'],
        ['model.layers.N.mlp.up_proj', 'layers.N.feedForward.up'],
        ['model.layers.N.mlp.down_proj', 'layers.N.feedForward.down'],
        ['model.norm', 'finalNorm'],
        ['lm_head', 'head'],
      ],
      copies: [['lm_head', 'tokens']],
      buffers: /(^|\.)rotary_emb\.inv_freq$/,
    }),

    read(keys): DecoderConfigInput {
      const width = keys.count('hidden_size', 4096), heads = keys.count('num_attention_heads', 32), kvHeads = keys.count('num_key_value_heads', defaults.kvHeads ?? heads);
      divided(heads, kvHeads, 'num_attention_heads', 'num_key_value_heads');
      const headWidth = keys.optionalCount('head_dim') ?? defaults.headWidth ?? divided(width, heads, 'hidden_size', 'num_attention_heads');
      const maxLength = keys.count('max_position_embeddings', defaults.context), epsilon = keys.number('rms_norm_eps', 1e-6);
      return {
        modelType: 'decoder', vocabulary: keys.count('vocab_size', defaults.vocabulary), width, depth: keys.count('num_hidden_layers', 32), maxLength,
        attention: { type: 'grouped', heads, kvHeads, ...(headWidth * heads === width ? {} : { headWidth }), ...readAttention(keys, epsilon) },
        positional: readRotary(keys, maxLength),
        norm: { type: 'rmsNorm', epsilon },
        feedForward: { type: keys.translated('hidden_act', gatedTypes, 'silu'), hidden: keys.count('intermediate_size', defaults.hidden), bias: feedForwardBias && keys.flag('mlp_bias', false) },
        tiedHead: keys.flag('tie_word_embeddings', false),
        dropout: { attention: keys.number('attention_dropout', 0) },
        initialisation: { std: keys.number('initializer_range', 0.02), scaledResidual: false },
      };
    },

    write(model, parameters) {
      plainStack(model);
      const bias = model.flag('bias', false), attention = model.inside('attention'), norm = model.inside('norm'), feedForward = model.inside('feedForward');
      const type = attention.only('type', ['grouped', 'multiHead'], undefined), heads = attention.count('heads'), width = model.count('width');
      attention.only('causal', [true], true);
      norm.only('type', ['rmsNorm'], undefined);
      norm.only('gain', ['plain'], 'plain');
      norm.take('cast');
      feedForward.take('hidden');
      const epsilon = norm.number('epsilon', 1e-6), gate = feedForward.translated('type', gateNames, undefined), gateBias = feedForward.only('bias', feedForwardBias ? [false, true] : [false], bias);
      return {
        architectures: [architecture], vocab_size: model.count('vocabulary'), hidden_size: width, num_hidden_layers: model.count('depth'), max_position_embeddings: contextOf(model),
        num_attention_heads: heads, num_key_value_heads: type === 'grouped' ? attention.count('kvHeads') : heads, head_dim: attention.count('headWidth', width / heads),
        intermediate_size: hiddenOf(parameters), hidden_act: gate, ...(feedForwardBias ? { mlp_bias: gateBias } : {}), rms_norm_eps: epsilon,
        ...writeAttention(attention, { bias, epsilon }), ...writeRotary(model.inside('positional')),
        tie_word_embeddings: model.flag('tiedHead', true), attention_dropout: dropoutOf(model).attention, initializer_range: initialStd(model),
      };
    },
  };
}

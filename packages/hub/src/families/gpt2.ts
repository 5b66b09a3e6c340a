import { divided } from '../config-keys.js';
import type { Family } from './family.js';
import { activationNames, activations, contextOf, dropoutOf, hiddenOf, initialStd, plainStack } from './parts.js';

/** GPT-2. Radford et al. 2019. Its linear layers are stored as [in, out], queries, keys and values in one. */
export const gpt2: Family = {
  name: 'gpt2', modelType: 'decoder',
  table: () => ({
    prefix: 'transformer.',
    modules: [
      ['transformer.wte', 'tokens'],
      ['transformer.wpe', 'positional'],
      ['transformer.h.N.ln_1', 'layers.N.residual.norms.0'],
      ['transformer.h.N.attn.c_attn', 'layers.N.attention.qkv', 'transposed'],
      ['transformer.h.N.attn.c_proj', 'layers.N.attention.output', 'transposed'],
      ['transformer.h.N.ln_2', 'layers.N.residual.norms.1'],
      ['transformer.h.N.mlp.c_fc', 'layers.N.feedForward.up', 'transposed'],
      ['transformer.h.N.mlp.c_proj', 'layers.N.feedForward.down', 'transposed'],
      ['transformer.ln_f', 'finalNorm'],
      ['lm_head', 'head'],
    ],
    copies: [['lm_head', 'tokens']],
    buffers: /(^|\.)attn\.(bias|masked_bias)$/,
  }),
  read(keys) {
    const width = keys.count('n_embd', 768), heads = keys.count('n_head', 12), maxLength = keys.count('n_positions', 1024);
    divided(width, heads, 'n_embd', 'n_head');
    keys.only('n_ctx', [maxLength], maxLength);
    keys.only('add_cross_attention', [false], false);
    keys.only('scale_attn_weights', [true], true);
    keys.only('scale_attn_by_inverse_layer_idx', [false], false);
    keys.only('reorder_and_upcast_attn', [true, false], false);
    keys.only('pruned_heads', [null], null);
    keys.ignore(['summary_activation', 'summary_first_dropout', 'summary_proj_to_labels', 'summary_type', 'summary_use_proj']);
    return {
      modelType: 'decoder', vocabulary: keys.count('vocab_size', 50257), width, depth: keys.count('n_layer', 12), maxLength,
      attention: { type: 'multiHead', heads, bias: true },
      positional: 'learned',
      norm: { type: 'layerNorm', epsilon: keys.number('layer_norm_epsilon', 1e-5), bias: true },
      feedForward: { type: 'mlp', hidden: keys.count('n_inner', 4 * width), activation: keys.translated('activation_function', activations, 'gelu_new'), bias: true },
      tiedHead: keys.flag('tie_word_embeddings', true),
      dropout: { embedding: keys.number('embd_pdrop', 0.1), attention: keys.number('attn_pdrop', 0.1), residual: keys.number('resid_pdrop', 0.1) },
      initialisation: { std: keys.number('initializer_range', 0.02), scaledResidual: true },
    };
  },
  write(model, parameters) {
    plainStack(model);
    const bias = model.flag('bias', false), attention = model.inside('attention'), positional = model.inside('positional'), norm = model.inside('norm'), feedForward = model.inside('feedForward');
    attention.only('type', ['multiHead'], undefined);
    positional.only('type', ['learned'], undefined);
    norm.only('type', ['layerNorm'], undefined);
    feedForward.only('type', ['mlp'], undefined);
    for (const part of [attention, norm, feedForward]) part.only('bias', [true], bias);
    const n_embd = model.count('width'), n_head = attention.count('heads'), n_positions = contextOf(model), { embedding, attention: weights, residual } = dropoutOf(model);
    attention.only('causal', [true], true);
    attention.only('headWidth', [n_embd / n_head], n_embd / n_head);
    positional.only('maxLength', [n_positions], n_positions);
    feedForward.take('hidden');
    return {
      architectures: ['GPT2LMHeadModel'], vocab_size: model.count('vocabulary'), n_embd, n_head, n_layer: model.count('depth'), n_positions, n_inner: hiddenOf(parameters),
      activation_function: feedForward.translated('activation', activationNames, 'gelu'), layer_norm_epsilon: norm.number('epsilon', 1e-5),
      tie_word_embeddings: model.flag('tiedHead', true), embd_pdrop: embedding, attn_pdrop: weights, resid_pdrop: residual, initializer_range: initialStd(model),
    };
  },
};

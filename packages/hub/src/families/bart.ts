import type { EncoderDecoderConfigInput } from '@ashlar/models';
import type { ConfigKeys } from '../config-keys.js';
import type { ModulePair } from '../tensor-table.js';
import type { Family } from './family.js';
import { activationNames, activations, contextOf, dropoutOf, hiddenOf, initialStd } from './parts.js';
import { alike, attentionPairs, partOf, stacksOf } from './pair-family.js';

/** BART's positions begin behind two rows that nothing reads. */
const offset = 2, projections = ['q_proj', 'k_proj', 'v_proj', 'out_proj'] as const;

const stackPairs = (stack: 'encoder' | 'decoder'): readonly ModulePair[] => {
  const stored = `model.${stack}.layers.N`, ours = `${stack}.layers.N`, norms = stack === 'encoder' ? ['self_attn', 'final'] : ['self_attn', 'encoder_attn', 'final'];
  return [
    [`model.${stack}.embed_positions`, `${stack}.positional`],
    [`model.${stack}.layernorm_embedding`, `${stack}.embeddingNorm`],
    ...attentionPairs(`${stored}.self_attn`, `${ours}.attention`, projections),
    ...(stack === 'decoder' ? attentionPairs(`${stored}.encoder_attn`, `${ours}.crossAttention`, projections) : []),
    ...norms.map((norm, number): ModulePair => [`${stored}.${norm}_layer_norm`, `${ours}.residual.norms.${number}`]),
    [`${stored}.fc1`, `${ours}.feedForward.up`],
    [`${stored}.fc2`, `${ours}.feedForward.down`],
  ];
};

/** BART. Lewis et al. 2019, arXiv 1910.13461. */
export const bart: Family = {
  name: 'bart', modelType: 'encoderDecoder',
  table: () => ({
    prefix: 'model.',
    modules: [['model.shared', 'encoder.tokens'], ...stackPairs('encoder'), ...stackPairs('decoder'), ['final_logits_bias', 'decoder.headBias', 'row'], ['lm_head', 'decoder.head']],
    copies: [['model.encoder.embed_tokens', 'encoder.tokens'], ['model.decoder.embed_tokens', 'encoder.tokens'], ['lm_head', 'encoder.tokens']],
  }),

  read(keys, { shape }): EncoderDecoderConfigInput {
    const width = keys.count('d_model', 1024), hidden = { type: 'mlp', activation: keys.translated('activation_function', activations, 'gelu') } as const;
    for (const [key, value] of Object.entries({ normalize_before: false, normalize_embedding: true, add_final_layer_norm: false, add_bias_logits: false, static_position_embeddings: false, is_decoder: false, add_cross_attention: false, extra_pos_embeddings: 2 })) keys.only(key, [value], value);
    keys.ignore(['activation_dropout', 'classifier_dropout', 'classif_dropout', 'encoder_layerdrop', 'decoder_layerdrop', 'num_hidden_layers']);
    const stack = (name: string) => ({ depth: keys.count(`${name}_layers`, 12), attention: { type: 'multiHead', heads: keys.count(`${name}_attention_heads`, 16) }, feedForward: { ...hidden, hidden: keys.count(`${name}_ffn_dim`, 4096) } }) as const;
    const encoder = stack('encoder'), decoder = stack('decoder'), dropout = keys.number('dropout', 0.1);
    return {
      modelType: 'encoderDecoder', vocabulary: keys.count('vocab_size', 50265), width, maxLength: keys.count('max_position_embeddings', 1024), bias: true, embeddingNorm: true, sharedEmbedding: true,
      ...(keys.flag('scale_embedding', false) ? { embeddingScale: Math.sqrt(width) } : {}),
      encoder, decoder, crossAttention: { type: 'cross', heads: decoder.attention.heads }, positional: { type: 'learned', offset }, norm: { type: 'layerNorm', epsilon: 1e-5 }, residual: 'postNorm',
      tiedHead: keys.flag('tie_word_embeddings', true), ...(shape('final_logits_bias') ? { headBias: 'fixed' } as const : {}),
      dropout: { embedding: dropout, attention: keys.number('attention_dropout', 0), residual: dropout }, initialisation: { std: keys.number('init_std', 0.02), scaledResidual: false },
    };
  },

  write(model, parameters) {
    const stacks = stacksOf(model), attention = partOf(stacks, 'attention'), positional = partOf(stacks, 'positional'), norm = partOf(stacks, 'norm'), feedForward = partOf(stacks, 'feedForward'), residual = partOf(stacks, 'residual'), cross = model.inside('crossAttention');
    const bias = alike(stacks, (stack) => stack.flag('bias', false), 'bias'), d_model = alike(stacks, (stack) => stack.count('width'), 'width'), context = alike(stacks, contextOf, 'maxLength');
    alike(residual, (part) => part.only('type', ['postNorm'], undefined), 'type');
    alike(stacks, (stack) => stack.only('embeddingNorm', [true], false), 'embeddingNorm');
    alike(norm, (part) => [part.only('type', ['layerNorm'], undefined), part.only('epsilon', [1e-5], 1e-5), part.only('bias', [true], bias)], 'type');
    alike(positional, (part) => [part.only('type', ['learned'], undefined), part.only('offset', [offset], 0), part.only('maxLength', [context], context)], 'type');
    alike(feedForward, (part) => [part.only('type', ['mlp'], undefined), part.only('bias', [true], bias)], 'type');
    attention.encoder.only('causal', [false], true);
    attention.decoder.only('causal', [true], true);
    const headsOf = (part: ConfigKeys): number => {
      const heads = part.count('heads');
      if (part.only('type', part === cross ? ['cross'] : ['multiHead', 'grouped'], undefined) !== 'multiHead') part.only('kvHeads', [heads], heads);
      part.only('headWidth', [d_model / heads], d_model / heads);
      part.only('bias', [true], bias);
      return heads;
    };
    const heads = { encoder: headsOf(attention.encoder), decoder: headsOf(attention.decoder) }, scale = alike(stacks, (stack) => stack.number('embeddingScale', 1), 'embeddingScale'), dropout = alike(stacks, dropoutOf, 'dropout');
    if (headsOf(cross) !== heads.decoder) throw cross.wrong('heads', `those of the decoder (${heads.decoder})`, headsOf(cross));
    if (scale !== 1 && scale !== Math.sqrt(d_model)) throw stacks.encoder.wrong('embeddingScale', `1 or √width, ${Math.sqrt(d_model)}`, scale);
    for (const part of [feedForward.encoder, feedForward.decoder]) part.take('hidden');
    model.only('sharedEmbedding', [true], true);
    model.only('headBias', ['fixed', false], false);
    const stack = (name: 'encoder' | 'decoder') => ({ [`${name}_layers`]: stacks[name].count('depth'), [`${name}_attention_heads`]: heads[name], [`${name}_ffn_dim`]: hiddenOf(parameters, `${name}.layers.0.feedForward.up.weight`) });
    return {
      architectures: ['BartForConditionalGeneration'], is_encoder_decoder: true, vocab_size: model.count('vocabulary'), d_model, max_position_embeddings: context, ...stack('encoder'), ...stack('decoder'),
      activation_function: alike(feedForward, (part) => part.translated('activation', activationNames, 'gelu'), 'activation'), scale_embedding: scale !== 1, tie_word_embeddings: model.flag('tiedHead', true),
      dropout: dropout.residual, attention_dropout: dropout.attention, init_std: alike(stacks, initialStd, 'initialisation'),
    };
  },
};

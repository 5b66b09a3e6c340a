import type { EncoderDecoderConfigInput } from '@ashlar/models';
import type { ModulePair } from '../tensor-table.js';
import type { Family } from './family.js';
import { activationNames, activations, dropoutOf, gatedTypes, gateNames, hiddenOf, initialFactor } from './parts.js';
import { alike, attentionPairs, partOf, stacksOf } from './pair-family.js';

const gatedPrefix = 'gated-', greatestDistance = 1 << 16, projections = ['q', 'k', 'v', 'o'] as const;

/** A stack's layers; `last` is the number of the feed-forward among a layer's parts. */
const stackPairs = (stack: 'encoder' | 'decoder', last: number): readonly ModulePair[] => {
  const block = `${stack}.block.N.layer`, layer = `${stack}.layers.N`, dense = `${block}.${last}.DenseReluDense`;
  return [
    [`${stack}.block.0.layer.0.SelfAttention.relative_attention_bias`, `${stack}.positional`],
    ...attentionPairs(`${block}.0.SelfAttention`, `${layer}.attention`, projections),
    ...(stack === 'decoder' ? attentionPairs(`${block}.1.EncDecAttention`, `${layer}.crossAttention`, projections) : []),
    ...Array.from({ length: last + 1 }, (_, part): ModulePair => [`${block}.${part}.layer_norm`, `${layer}.residual.norms.${part}`]),
    [`${dense}.wo`, `${layer}.feedForward.down`],
    [`${stack}.final_layer_norm`, `${stack}.finalNorm`],
  ];
};

/** T5, also its version 1.1 with gated feed-forwards. Raffel et al. 2019, arXiv 1910.10683. */
export const t5: Family = {
  name: 't5', modelType: 'encoderDecoder',
  table(config) {
    const { feedForward } = config as EncoderDecoderConfigInput, type = typeof feedForward === 'object' ? feedForward.type : feedForward;
    const up = (stack: string, last: number): readonly ModulePair[] => {
      const stored = `${stack}.block.N.layer.${last}.DenseReluDense`, ours = `${stack}.layers.N.feedForward`;
      return type === 'mlp' ? [[`${stored}.wi`, `${ours}.up`]] : [[`${stored}.wi_0`, `${ours}.gate`], [`${stored}.wi_1`, `${ours}.up`]];
    };
    return {
      prefix: '',
      modules: [['shared', 'encoder.tokens'], ...stackPairs('encoder', 1), ...up('encoder', 1), ...stackPairs('decoder', 2), ...up('decoder', 2), ['lm_head', 'decoder.head']],
      copies: [['encoder.embed_tokens', 'encoder.tokens'], ['decoder.embed_tokens', 'encoder.tokens'], ['lm_head', 'encoder.tokens']],
      buffers: /^decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight$/,
    };
  },

  read(keys): EncoderDecoderConfigInput {
    const width = keys.count('d_model', 512), heads = keys.count('num_heads', 8), headWidth = keys.count('d_kv', 64), depth = keys.count('num_layers', 6);
    const projection = keys.only('feed_forward_proj', [...Object.keys(activations), ...Object.keys(gatedTypes).map((gate) => gatedPrefix + gate)], 'relu'), gated = projection.startsWith(gatedPrefix);
    const name = projection.replace(gatedPrefix, ''), hidden = keys.count('d_ff', 2048), tiedHead = keys.flag('tie_word_embeddings', true);
    // An old name: the library reads gated-gelu as GELU's tanh form.
    const gate = name === 'gelu' ? 'gelu_new' : name;
    keys.only('is_gated_act', [gated], gated);
    keys.only('dense_act_fn', [name, gate], name);
    // Its positions have no end.
    keys.ignore(['n_positions', 'classifier_dropout']);
    keys.only('is_decoder', [false], false);
    const maxDistance = keys.count('relative_attention_max_distance', 128);
    // Each distance up to it has a place in a table, which the file need not pay for.
    if (maxDistance > greatestDistance) throw keys.wrong('relative_attention_max_distance', `a whole number up to ${greatestDistance}`, maxDistance);
    const scaled = keys.flag('scale_decoder_outputs', tiedHead), dropout = keys.number('dropout_rate', 0.1);
    return {
      modelType: 'encoderDecoder', vocabulary: keys.count('vocab_size', 32128), width, depth,
      attention: { type: 'multiHead', heads, headWidth, scale: 1 }, crossAttention: { type: 'cross', heads, headWidth, scale: 1 },
      positional: { type: 't5Bias', buckets: keys.count('relative_attention_num_buckets', 32), maxDistance },
      norm: { type: 'rmsNorm', epsilon: keys.number('layer_norm_epsilon', 1e-6) },
      feedForward: gated ? { type: gatedTypes[gate as keyof typeof gatedTypes], hidden } : { type: 'mlp', hidden, activation: activations[name as keyof typeof activations] },
      decoder: { depth: keys.count('num_decoder_layers', depth) }, tiedHead, sharedEmbedding: true, ...(scaled ? { logitScale: 1 / Math.sqrt(width) } : {}),
      dropout: { embedding: dropout, attention: dropout, residual: dropout }, initialisation: { scheme: 'perMatrix', std: keys.number('initializer_factor', 1) },
    };
  },

  write(model, parameters) {
    const stacks = stacksOf(model), n_positions = alike(stacks, (stack) => stack.optionalCount('maxLength'), 'maxLength'), attention = partOf(stacks, 'attention'), positional = partOf(stacks, 'positional'), norm = partOf(stacks, 'norm'), feedForward = partOf(stacks, 'feedForward'), residual = partOf(stacks, 'residual'), cross = model.inside('crossAttention');
    const bias = alike(stacks, (stack) => stack.flag('bias', false), 'bias'), d_model = alike(stacks, (stack) => stack.count('width'), 'width');
    alike(residual, (part) => part.only('type', ['preNorm'], undefined), 'type');
    alike(norm, (part) => [part.only('type', ['rmsNorm'], undefined), part.only('gain', ['plain'], 'plain')], 'type');
    for (const part of [norm.encoder, norm.decoder]) part.take('cast');
    attention.encoder.only('causal', [false], true);
    attention.decoder.only('causal', [true], true);
    const heads = alike(attention, (part) => part.count('heads'), 'heads'), d_kv = alike(attention, (part) => part.count('headWidth', d_model / heads), 'headWidth');
    for (const part of [attention.encoder, attention.decoder, cross]) {
      if (part.only('type', part === cross ? ['cross'] : ['multiHead', 'grouped'], undefined) === 'grouped' || part === cross) part.only('kvHeads', [heads], heads);
      part.only('bias', [false], bias);
      part.only('scale', [1], 1 / Math.sqrt(d_kv));
    }
    cross.only('heads', [heads], undefined);
    cross.only('headWidth', [d_kv], d_model / heads);
    alike(positional, (part) => part.only('type', ['t5Bias'], undefined), 'type');
    const type = alike(feedForward, (part) => part.only('type', ['mlp', ...Object.keys(gateNames)], undefined), 'type'), up = (stack: string) => hiddenOf(parameters, `${stack}.layers.0.feedForward.up.weight`);
    alike(feedForward, (part) => [part.take('hidden'), part.only('bias', [false], bias)], 'hidden');
    if (up('encoder') !== up('decoder')) throw feedForward.decoder.wrong('hidden', `as in the encoder, ${up('encoder')}`, up('decoder'));
    const activation = type === 'mlp' ? alike(feedForward, (part) => part.translated('activation', activationNames, 'gelu'), 'activation') : undefined, gate = gateNames[type as keyof typeof gateNames];
    if (gate === 'gelu') throw feedForward.decoder.wrong('type', '"gegluTanh", as T5 computes GELU in its tanh form', type);
    const tied = model.flag('tiedHead', true), plain = 1 / Math.sqrt(d_model), scale = model.number('logitScale', 1);
    if (scale !== 1) model.only('logitScale', [plain], undefined);
    if ((scale !== 1) !== tied) throw model.wrong('logitScale', tied ? `${plain}, as T5 scales the logits of a tied head` : '1, as T5 scales no logits of a head of its own', scale);
    model.only('sharedEmbedding', [true], true);
    const initializer_factor = alike(stacks, initialFactor, 'initialisation');
    return {
      architectures: ['T5ForConditionalGeneration'], is_encoder_decoder: true, vocab_size: model.count('vocabulary'), ...(n_positions === undefined ? {} : { n_positions }), d_model, d_kv, d_ff: up('encoder'), num_heads: heads,
      num_layers: stacks.encoder.count('depth'), num_decoder_layers: stacks.decoder.count('depth'), feed_forward_proj: activation ?? `${gatedPrefix}${gate === 'gelu_pytorch_tanh' ? 'gelu' : gate}`,
      relative_attention_num_buckets: alike(positional, (part) => part.count('buckets', 32), 'buckets'), relative_attention_max_distance: alike(positional, (part) => part.count('maxDistance', 128), 'maxDistance'),
      layer_norm_epsilon: alike(norm, (part) => part.number('epsilon', 1e-6), 'epsilon'), tie_word_embeddings: tied, dropout_rate: alike(stacks, (stack) => dropoutOf(stack).residual, 'dropout'), initializer_factor,
    };
  },
};

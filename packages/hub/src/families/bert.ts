import type { ModulePair } from '../tensor-table.js';
import { encoderFamily } from './encoder-family.js';

/** BERT's layers, and RoBERTa's. */
export const bertLayer = (prefix: string): readonly ModulePair[] => [
  [`${prefix}encoder.layer.N.attention.self.query`, 'layers.N.attention.query'],
  [`${prefix}encoder.layer.N.attention.self.key`, 'layers.N.attention.key'],
  [`${prefix}encoder.layer.N.attention.self.value`, 'layers.N.attention.value'],
  [`${prefix}encoder.layer.N.attention.output.dense`, 'layers.N.attention.output'],
  [`${prefix}encoder.layer.N.attention.output.LayerNorm`, 'layers.N.residual.norms.0'],
  [`${prefix}encoder.layer.N.intermediate.dense`, 'layers.N.feedForward.up'],
  [`${prefix}encoder.layer.N.output.dense`, 'layers.N.feedForward.down'],
  [`${prefix}encoder.layer.N.output.LayerNorm`, 'layers.N.residual.norms.1'],
];

export const bertKeys = {
  width: 'hidden_size', depth: 'num_hidden_layers', heads: 'num_attention_heads', hidden: 'intermediate_size', activation: 'hidden_act', dropout: 'hidden_dropout_prob', attentionDropout: 'attention_probs_dropout_prob', headDropout: 'classifier_dropout',
} as const;
export const bertFixed = { is_decoder: false, add_cross_attention: false, position_embedding_type: 'absolute' } as const;

/** BERT: a masked language model, or a classifier. Devlin et al. 2018, arXiv 1810.04805. */
export const bert = encoderFamily({
  name: 'bert', prefix: 'bert.', className: 'Bert', keys: bertKeys, fixed: bertFixed,
  defaults: { vocabulary: 30522, tokenTypes: 2, padding: 0 }, positionsAfterPadding: false,
  layer: bertLayer('bert.'),
  languageHead: { dense: 'cls.predictions.transform.dense', norm: 'cls.predictions.transform.LayerNorm', bias: 'cls.predictions.bias', decoder: 'cls.predictions.decoder' },
  classesHead: { dense: 'bert.pooler.dense', output: 'classifier', activation: 'tanh' },
  tokenClassesHead: 'classifier',
  ignored: ['directionality', 'pooler_fc_size', 'pooler_num_attention_heads', 'pooler_num_fc_layers', 'pooler_size_per_head', 'pooler_type', 'pruned_heads'],
  unused: /^((bert\.)?pooler|cls\.seq_relationship)\./,
});

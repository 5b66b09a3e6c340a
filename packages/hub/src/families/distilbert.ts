import { encoderFamily } from './encoder-family.js';

const layer = 'distilbert.transformer.layer.N';

/** DistilBERT: BERT without kinds of tokens and without a pooler. Sanh et al. 2019, arXiv 1910.01108. */
export const distilbert = encoderFamily({
  name: 'distilbert', prefix: 'distilbert.', className: 'DistilBert',
  keys: { width: 'dim', depth: 'n_layers', heads: 'n_heads', hidden: 'hidden_dim', activation: 'activation', dropout: 'dropout', attentionDropout: 'attention_dropout', headDropout: 'seq_classif_dropout' },
  fixed: { sinusoidal_pos_embds: false },
  defaults: { vocabulary: 30522, depth: 6, padding: 0, headDropout: 0.2 }, epsilon: 1e-12, positionsAfterPadding: false,
  layer: [
    [`${layer}.attention.q_lin`, 'layers.N.attention.query'],
    [`${layer}.attention.k_lin`, 'layers.N.attention.key'],
    [`${layer}.attention.v_lin`, 'layers.N.attention.value'],
    [`${layer}.attention.out_lin`, 'layers.N.attention.output'],
    [`${layer}.sa_layer_norm`, 'layers.N.residual.norms.0'],
    [`${layer}.ffn.lin1`, 'layers.N.feedForward.up'],
    [`${layer}.ffn.lin2`, 'layers.N.feedForward.down'],
    [`${layer}.output_layer_norm`, 'layers.N.residual.norms.1'],
  ],
  languageHead: { dense: 'vocab_transform', norm: 'vocab_layer_norm', bias: 'vocab_projector.bias', decoder: 'vocab_projector' },
  classesHead: { dense: 'pre_classifier', output: 'classifier', activation: 'relu' },
  tokenClassesHead: 'classifier',
  ignored: ['qa_dropout', 'tie_weights_'],
  unused: /^(vocab_transform|vocab_layer_norm|vocab_projector|qa_outputs)\./,
});

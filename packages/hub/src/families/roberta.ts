import { bertFixed, bertKeys, bertLayer } from './bert.js';
import { encoderFamily } from './encoder-family.js';

/** RoBERTa: BERT with positions that begin behind that of padding. Liu et al. 2019, arXiv 1907.11692. Padding stands at the end of a row. */
export const roberta = encoderFamily({
  name: 'roberta', prefix: 'roberta.', className: 'Roberta', keys: bertKeys, fixed: bertFixed,
  defaults: { vocabulary: 50265, tokenTypes: 2, padding: 1 }, positionsAfterPadding: true,
  layer: bertLayer('roberta.'),
  languageHead: { dense: 'lm_head.dense', norm: 'lm_head.layer_norm', bias: 'lm_head.bias', decoder: 'lm_head.decoder' },
  classesHead: { dense: 'classifier.dense', output: 'classifier.out_proj', activation: 'tanh' },
  tokenClassesHead: 'classifier',
  unused: /^((roberta\.)?pooler)\./,
});

import type { EncoderDecoder } from '@ashlar/models';
import { batches, evaluationBatches, spanBatches, spanEvaluation, spanLengths, type Tokenizer } from '@ashlar/text';
import type { ResolvedConfig } from '../config/resolve.js';
import { exitCodes, Failure } from '../failure.js';
import { buildModel, checkedHash, vocabularyFor } from './building.js';
import { textOf } from './language-model.js';
import { divided } from './learned-text.js';
import type { Materials } from './materials.js';
import { pairLearner } from './pair-learner.js';
import { targetTokens } from './target-tokens.js';

/** A text, whose hidden spans an encoder-decoder writes. */
export async function spanCorruptionMaterials(config: ResolvedConfig): Promise<Materials> {
  const { data, training: { batch, context, seed } } = config, corpus = await textOf(data);
  try {
    checkedHash(config, corpus);
    const { tokenizer } = corpus, { begin, end, vocabularySize } = targetTokens(tokenizer), sentinels = sentinelsFor(tokenizer, vocabularySize, spanLengths(context, data.spans).spans);
    const vocabulary = vocabularyFor(config, Math.max(vocabularySize, ...sentinels.map((token) => token + 1)));
    if (config.model.modelType !== 'encoderDecoder') throw new Error('spanCorruption needs an encoderDecoder');
    const { sourceVocabulary } = config.model;
    if (sourceVocabulary !== undefined && sourceVocabulary !== vocabulary) throw new Failure(exitCodes.usage, `model.sourceVocabulary must be ${vocabulary}, since source and target of spanCorruption have the same tokens, got ${sourceVocabulary}; leave it out`);
    const resolved = { ...config, data: { ...data, sha256: corpus.hash }, model: { ...config.model, vocabulary, sharedEmbedding: config.model.sharedEmbedding ?? true } } as ResolvedConfig, model = buildModel(resolved) as EncoderDecoder;
    const { train, validation } = divided(corpus.name, corpus.tokens, data.validation), spans = { ...data.spans, sentinels, begin, end, seed };
    const evaluation = spanEvaluation(evaluationBatches({ tokens: validation, context, batch }), spans);
    return {
      config: resolved, source: corpus.name, tokenizer, targetTokenizer: tokenizer, model, evaluation, learner: pairLearner(model),
      batches: () => spanBatches(batches({ tokens: train, context, batch, seed }), spans),
      amounts: [['tokens to train on', train.length], ['held out', validation.length], ['of targets of those', evaluation.predictions], ['spans a row', sentinels.length], ['vocabulary', vocabulary]],
      baselines: () => [{ label: 'guessing', loss: Math.log(vocabulary) }],
      measure: async (_, loss) => ({ numbers: { perplexity: Math.exp(loss) }, headline: ['perplexity', Math.exp(loss).toFixed(2)], lines: [['perplexity', `${Math.exp(loss).toFixed(3)} a token of hidden spans and what marks them`]] }),
      [Symbol.dispose]: () => corpus.close(),
    };
  } catch (error) {
    corpus.close();
    throw error;
  }
}

/** The tokens that stand for spans: those that a vocabulary of T5 has for it, `<extra_id_0>` first; else as many more than there are, the last first. */
function sentinelsFor(tokenizer: Tokenizer, vocabularySize: number, count: number): number[] {
  const own: number[] = [];
  for (let token = tokenizer.vocabularySize - 1; token >= 0 && tokenizer.idToToken(token) === `<extra_id_${own.length}>`; token--) own.push(token);
  return own.length >= count ? own.slice(0, count) : Array.from({ length: count }, (_, i) => vocabularySize + count - 1 - i);
}

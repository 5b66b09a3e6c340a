import type { Encoder } from '@ashlar/models';
import { batches, evaluationBatches, maskedBatches, maskedEvaluation, tokenArray, type TokenSource, type Tokenizer } from '@ashlar/text';
import type { ResolvedConfig } from '../config/resolve.js';
import { dividedByGroup, fieldsOf, holdsRecords, readRecords } from '../data/records.js';
import { buildModel, checkedHash, vocabularyFor } from './building.js';
import { textOf } from './language-model.js';
import { divided } from './learned-text.js';
import type { Materials } from './materials.js';
import { tokenizerOf } from './tokenizers.js';

/** Text in two parts, as tokens. */
interface MaskedText extends Disposable { readonly name: string; readonly hash: string; readonly tokenizer: Tokenizer; readonly train: TokenSource; readonly validation: TokenSource }

/** A text, or the texts of examples, whose hidden tokens are learned. */
export async function maskedLanguageModelMaterials(config: ResolvedConfig): Promise<Materials> {
  const { data, training: { batch, context, seed } } = config, text = holdsRecords(data.source!) ? await textsOfRecords(config) : await wholeText(config);
  try {
    checkedHash(config, text);
    const { tokenizer, train, validation, name } = text, mask = tokenizer.mask ?? tokenizer.vocabularySize, vocabulary = vocabularyFor(config, Math.max(tokenizer.vocabularySize, mask + 1));
    const resolved = { ...config, model: { ...config.model, vocabulary }, data: { ...data, sha256: text.hash } } as ResolvedConfig, model = buildModel(resolved) as Encoder;
    const masking = { vocabularySize: tokenizer.vocabularySize, mask, seed }, evaluation = maskedEvaluation(evaluationBatches({ tokens: validation, context, batch }), masking);
    return {
      config: resolved, source: name, tokenizer, model, evaluation,
      learner: { namedParameters: () => model.namedParameters(), loss: (tokens, targets, weights, input) => model.loss(tokens, targets, weights, { padding: input?.padding }) },
      batches: () => maskedBatches(batches({ tokens: train, context, batch, seed }), masking),
      amounts: [['tokens to train on', train.length], ['held out', validation.length], ['hidden of those', evaluation.predictions], ['vocabulary', tokenizer.vocabularySize]],
      baselines: () => [{ label: 'guessing', loss: Math.log(vocabulary) }],
      measure: async (_, loss) => ({ numbers: { perplexity: Math.exp(loss) }, headline: ['perplexity', Math.exp(loss).toFixed(2)], lines: [['perplexity', `${Math.exp(loss).toFixed(3)} a hidden token`]] }),
      [Symbol.dispose]: () => text[Symbol.dispose](),
    };
  } catch (error) {
    text[Symbol.dispose]();
    throw error;
  }
}

async function wholeText({ data }: ResolvedConfig): Promise<MaskedText> {
  const corpus = await textOf(data);
  return { ...divided(corpus.name, corpus.tokens, data.validation), name: corpus.name, hash: corpus.hash, tokenizer: corpus.tokenizer, [Symbol.dispose]: () => corpus.close() };
}

/** The texts of examples, a line each: those that a classifier of the same data would be trained on, and those held out from it. */
async function textsOfRecords({ data }: ResolvedConfig): Promise<MaskedText> {
  const records = await readRecords(data.source!), examples = fieldsOf(records, ['text'], data.fields), parts = dividedByGroup(records.name, examples, data.validation);
  const textOfSide = (side: typeof examples): string => side.map(({ text }) => `${text}\n`).join(''), train = textOfSide(parts.train), validation = textOfSide(parts.validation);
  const tokenizer = tokenizerOf(data.tokenizer, [train, validation], parts.train.map(({ text }) => text)), tokensOf = (text: string): TokenSource => tokenArray(tokenizer.encode(text));
  return { name: records.name, hash: records.hash, tokenizer, train: tokensOf(train), validation: tokensOf(validation), [Symbol.dispose]() {} };
}

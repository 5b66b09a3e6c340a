import type { Encoder } from '@ashlar/models';
import { jit, type Device } from '@ashlar/tensor';
import { classifiedBatches, classifiedEvaluation, wholeTokens, type ClassifiedText, type Tokenizer } from '@ashlar/text';
import { batchTensors } from '@ashlar/train';
import type { ResolvedConfig } from '../config/resolve.js';
import { dividedByGroup, examplesOfGroups, fieldsOf, readRecords } from '../data/records.js';
import { exitCodes, Failure } from '../failure.js';
import { formatCount } from '../progress/format.js';
import { buildModel, checkedHash, vocabularyFor } from './building.js';
import type { Materials, Measures } from './materials.js';
import { naiveBayes } from './naive-bayes.js';
import { tokenizerOf } from './tokenizers.js';

type Labelled = ClassifiedText & { readonly text: string };

/** The longest n-grams of the naive Bayes that a classifier is measured beside. */
const longestGram = 4;

/** Texts and their labels. */
export async function classificationMaterials(config: ResolvedConfig): Promise<Materials> {
  const { data, training } = config, records = await readRecords(data.source!);
  checkedHash(config, records);
  const examples = fieldsOf(records, ['text', 'label'], data.fields), sides = dividedByGroup(records.name, examples, data.validation), textsOf = (side: typeof examples): string[] => side.map(({ text }) => text);
  const tokenizer = tokenizerOf(data.tokenizer, textsOf(examples), textsOf(sides.train));
  const labels = data.labels ?? [...new Set(examples.map(({ label }) => label))].sort(), numbers = new Map(labels.map((label, number) => [label, number]));
  const tokensOf = ({ text, label }: { text: string; label: string }): Labelled => {
    const number = numbers.get(label);
    if (number === undefined) throw new Failure(exitCodes.data, `${records.name}: there is the label ${JSON.stringify(label)}, which is not among data.labels (${labels.join(', ')})`);
    return { text, tokens: wholeTokens(tokenizer, text, training.context), label: number };
  };
  const labelled = data.labelled === undefined ? sides.train : examplesOfGroups(sides.train, data.labelled), [train, validation] = [labelled, sides.validation].map((side) => side.map(tokensOf)) as [Labelled[], Labelled[]];
  const head = config.model.modelType === 'encoder' ? config.model.head : undefined;
  if (head?.type !== 'classes') throw new Error('classification needs a head of classes');
  if (head.classes !== undefined && head.classes !== labels.length) throw new Failure(exitCodes.usage, `model.head.classes must be ${labels.length}, the number of labels, got ${head.classes}; leave it out to have it follow from the data`);
  const resolved = {
    ...config, data: { ...data, labels, sha256: records.hash },
    model: { ...config.model, vocabulary: vocabularyFor(config, tokenizer.vocabularySize), head: { ...head, classes: labels.length } },
  } as ResolvedConfig, model = buildModel(resolved) as Encoder, { batch, context, seed } = training;
  return {
    config: resolved, source: records.name, tokenizer, model,
    learner: { namedParameters: () => model.namedParameters(), loss: (tokens, targets, weights, input) => model.loss(tokens, targets, weights, { padding: input?.padding }) },
    batches: () => classifiedBatches({ examples: train, context, batch, seed }), evaluation: classifiedEvaluation({ examples: validation, context, batch }),
    amounts: [['texts to train on', train.length], ...(data.labelled === undefined ? [] : [['without labels', sides.train.length - train.length] as const]), ['held out', validation.length], ['labels', labels.length]],
    baselines: () => [{ label: 'guessing', loss: Math.log(labels.length) }],
    measure: (device) => measured(model, device, tokenizer, labels, data.validation < 1 ? train : undefined, validation, context, batch),
    [Symbol.dispose]() {},
  };
}

async function measured(model: Encoder, device: Device, tokenizer: Tokenizer, labels: readonly string[], train: readonly Labelled[] | undefined, validation: readonly Labelled[], context: number, batch: number): Promise<Measures> {
  const evaluation = classifiedEvaluation({ examples: validation, context, batch });
  const guess = jit(({ tokens, input }: ReturnType<typeof batchTensors>) => model.logits(tokens, { padding: input?.padding }).argmax(), { device, name: 'classify' });
  const bayes = train && naiveBayes(train, labels.length, longestGram), rows: string[][] = [];
  let right = 0, bayesRight = 0;
  for await (const one of evaluation) {
    const guesses = await guess(batchTensors(one)).data(), [, T] = one.shape;
    for (let row = 0; row < one.targets.length; row++) {
      if (one.weights[row] === 0) continue;
      // Both are given the same: the tokens of the row.
      const label = one.targets[row]!, length = one.padding!.subarray(row * T, (row + 1) * T).indexOf(1), text = tokenizer.decode(one.tokens.subarray(row * T, row * T + (length < 0 ? T : length))).replaceAll('\ufffd', '');
      if (guesses[row] === label) right++;
      else rows.push([text, labels[label]!, labels[guesses[row]!]!]);
      if (bayes?.label(text) === label) bayesRight++;
    }
  }
  guess.release();
  const accuracy = right / validation.length, baseline = bayesRight / validation.length, percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
  return {
    numbers: { accuracy, ...(bayes ? { naiveBayesAccuracy: baseline } : {}), texts: validation.length },
    headline: ['accuracy', percent(accuracy)],
    lines: [['accuracy', `${percent(accuracy)} of ${formatCount(validation.length)} texts, ${labels.length} labels`], ...(bayes ? [['naive Bayes', `${percent(baseline)}, n-grams of 1 to ${longestGram} characters`] as const] : [])],
    examples: { titles: ['taken for another', 'is', 'taken for'], rows: rows.slice(0, 30) },
  };
}

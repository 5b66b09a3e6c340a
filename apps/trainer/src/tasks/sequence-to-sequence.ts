import { beamSearcher } from '@ashlar/generate';
import type { EncoderDecoder } from '@ashlar/models';
import type { Device } from '@ashlar/tensor';
import { pairBatches, pairEvaluation, wholeTokens, type TokenPair, type Tokenizer } from '@ashlar/text';
import type { ResolvedConfig } from '../config/resolve.js';
import { dividedByGroup, fieldsOf, readRecords } from '../data/records.js';
import { exitCodes, Failure } from '../failure.js';
import { formatCount } from '../progress/format.js';
import { buildModel, checkedHash, vocabularyFor } from './building.js';
import type { Materials, Measures } from './materials.js';
import { nearestTarget } from './nearest-target.js';
import { pairLearner } from './pair-learner.js';
import { targetTokens, type TargetTokens } from './target-tokens.js';
import { tokenizerOf } from './tokenizers.js';

type Pair = TokenPair & { readonly written: string };

/** How many texts beam search follows at once. */
const beams = 4;
/** Tokens of targets that are measured at most, of sources spread over all: beam search takes its time. */
const mostTokens = 50_000;

/** Sources and their targets. */
export async function sequenceToSequenceMaterials(config: ResolvedConfig): Promise<Materials> {
  const { data, training } = config, records = await readRecords(data.source!), { batch, context, seed } = training, sourceContext = training.sourceContext!;
  checkedHash(config, records);
  const examples = fieldsOf(records, ['source', 'target'], data.fields);
  const parts = dividedByGroup(records.name, examples, data.validation), textsOf = (side: typeof examples, key: 'source' | 'target'): string[] => side.map((example) => example[key]);
  const tokenizer = tokenizerOf(data.tokenizer, textsOf(examples, 'source'), textsOf(parts.train, 'source')), targetTokenizer = tokenizerOf(data.targetTokenizer!, textsOf(examples, 'target'), textsOf(parts.train, 'target'));
  const about = targetTokens(targetTokenizer), { begin, end } = about, vocabulary = vocabularyFor(config, about.vocabularySize);
  const pairsOf = (side: typeof examples): Pair[] => side.map(({ source, target }) => ({ written: source, source: wholeTokens(tokenizer, source, sourceContext), target: about.tokensOf(target) }));
  const [train, validation] = [pairsOf(parts.train), pairsOf(parts.validation)];
  if (config.model.modelType !== 'encoderDecoder') throw new Error('sequenceToSequence needs an encoderDecoder');
  const { sharedEmbedding, sourceVocabulary = sharedEmbedding ? vocabulary : tokenizer.vocabularySize } = config.model;
  if (sourceVocabulary < tokenizer.vocabularySize) throw new Failure(exitCodes.usage, `model.sourceVocabulary must be at least ${tokenizer.vocabularySize}, the number of tokens of the sources, got ${sourceVocabulary}`);
  const resolved: ResolvedConfig = { ...config, data: { ...data, sha256: records.hash }, model: { ...config.model, vocabulary, ...(sharedEmbedding ? {} : { sourceVocabulary }) } };
  const model = buildModel(resolved) as EncoderDecoder, shape = { sourceContext, context, batch, begin, end };
  const batched = <Result>(make: () => Result): Result => {
    try { return make(); } catch (error) { throw error instanceof RangeError ? new Failure(exitCodes.usage, `training: ${error.message}`, { cause: error }) : error; }
  };
  return {
    config: resolved, source: records.name, tokenizer, targetTokenizer, model,
    learner: pairLearner(model),
    batches: () => batched(() => pairBatches({ pairs: train, seed, ...shape })), evaluation: batched(() => pairEvaluation({ pairs: validation, ...shape })),
    amounts: [['pairs to train on', train.length], ['held out', validation.length], ['tokens of sources', tokenizer.vocabularySize], ['tokens of targets', targetTokenizer.vocabularySize]],
    baselines: () => [{ label: 'guessing', loss: Math.log(vocabulary) }],
    measure: (device, loss) => measured({ model, device, targetTokenizer, validation, context, about }, loss),
    [Symbol.dispose]() {},
  };
}

interface Measured {
  readonly model: EncoderDecoder;
  readonly device: Device;
  readonly targetTokenizer: Tokenizer;
  readonly validation: readonly Pair[];
  readonly context: number;
  readonly about: TargetTokens;
}

/** Error rates of beam search, beside the nearest of the targets that a source has: of tokens, and of whole targets. */
async function measured({ model, device, targetTokenizer, validation, context, about }: Measured, loss: number): Promise<Measures> {
  const bySource = new Map<string, Pair[]>(), rows: string[][] = [];
  for (const pair of validation) bySource.set(pair.written, [...bySource.get(pair.written) ?? [], pair]);
  const written = validation.reduce((sum, { target }) => sum + target.length, 0), sources = spread([...bySource], Math.ceil((bySource.size * mostTokens) / Math.max(written, mostTokens)));
  // What is longer than twice the longest target is wrong anyway: models without a longest text need not write on.
  const longestOf = (key: 'source' | 'target'): number => validation.reduce((most, pair) => Math.max(most, pair[key].length), 1), maxTokens = Math.min(context - about.prompt.length, 2 * longestOf('target') + 1);
  const search = beamSearcher({ model, device, beams, context: about.prompt.length + maxTokens, sourceContext: longestOf('source') });
  let edits = 0, tokens = 0, wrong = 0;
  try {
    for (const [source, pairs] of sources) {
      const [best] = await search.run({ prompt: about.prompt, source: pairs[0]!.source, maxTokens, endTokens: [about.end] });
      const said = best!.tokens.filter(about.isText), nearest = nearestTarget(said, pairs.map(({ target }) => target.subarray(about.prompt.length - 1)));
      edits += nearest.edits;
      tokens += nearest.target.length;
      if (nearest.edits > 0) wrong++;
      rows.push([source, pairs.map(({ target }) => targetTokenizer.decode(target)).join(' / '), targetTokenizer.decode(said), nearest.edits === 0 ? '' : String(nearest.edits)]);
    }
  } finally {
    search.release();
  }
  const tokenErrorRate = edits / tokens, sequenceErrorRate = wrong / sources.length, percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
  return {
    numbers: { perplexity: Math.exp(loss), tokenErrorRate, sequenceErrorRate, sources: sources.length, beams },
    headline: ['token errors', percent(tokenErrorRate)],
    lines: [
      ['perplexity', `${Math.exp(loss).toFixed(3)} a token`],
      ['token errors', `${percent(tokenErrorRate)} of ${formatCount(tokens)} tokens of targets, by beam search (${beams} beams)`],
      ['targets wrong', `${percent(sequenceErrorRate)} of ${formatCount(sources.length)}${sources.length < bySource.size ? ` of the ${formatCount(bySource.size)} held out` : ''}`],
    ],
    examples: { titles: ['source', 'target', 'written', 'errors'], rows: spread(rows, 40) },
  };
}

/** At most so many of a list, spread evenly over it. */
const spread = <Item>(list: readonly Item[], most: number): readonly Item[] => (list.length <= most ? list : Array.from({ length: most }, (_, i) => list[Math.floor((i * list.length) / most)]!));

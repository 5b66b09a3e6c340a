import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Decoder } from '@ashlar/models';
import { zeros } from '@ashlar/tensor';
import { UnknownCharacterError, type Tokenizer } from '@ashlar/text';
import { findText, openCorpus, type Corpus, type OpenCorpusOptions } from '@ashlar/text/node';
import { cacheFolder } from '@ashlar/webgpu-node';
import type { ResolvedConfig } from '../config/resolve.js';
import { lookUpFrom } from '../data/look-up.js';
import { exitCodes, Failure } from '../failure.js';
import { countingBaselines } from '../report/baselines.js';
import { buildModel, checkedHash, vocabularyFor } from './building.js';
import { charactersAPrediction, divided, evaluationOf, piecesOf, tokensIn, trainingBatches, wholeOf } from './learned-text.js';
import type { Materials, Measures } from './materials.js';
import { readTokenizer } from './tokenizers.js';

/** Opens a text. Throws what `openCorpus` throws, and a Failure with exit code 5 where there can be no cache. */
export async function openText(source: string, options: Omit<OpenCorpusOptions, 'cache' | 'from'>): Promise<Corpus> {
  const cache = join(cacheFolder(), 'tokens');
  try {
    mkdirSync(cache, { recursive: true });
  } catch (error) {
    throw new Failure(exitCodes.output, `cannot make the cache folder ${cache}: ${(error as Error).message}; set ASHLAR_CACHE to a folder that can be written`, { cause: error });
  }
  return openCorpus(source, { ...options, cache, from: lookUpFrom });
}

/** The text of a config as tokens. Byte pairs are learned from the part that is trained on. */
export async function textOf({ source, tokenizer, validation, fields, packing, sampleBy }: ResolvedConfig['data']): Promise<Corpus> {
  if (tokenizer === 'symbol') throw new Failure(exitCodes.usage, 'data.tokenizer: symbol is for examples; a text takes character, byte, bytePairs or a file');
  const { kind } = findText(source!, { from: lookUpFrom }), misplaced = kind === 'text' ? fields && 'data.fields is for JSON lines and tables' : sampleBy && 'data.sampleBy is for plain text';
  if (misplaced) throw new Failure(exitCodes.usage, `${misplaced}, and ${source} is not; leave it out`);
  return openText(source!, { field: fields?.text, sampleBy, documents: packing ?? false, tokenizer: typeof tokenizer === 'string' ? tokenizer : tokenizer.type === 'file' ? readTokenizer(tokenizer.path) : { ...tokenizer, share: 1 - validation } });
}

/** A text, whose next tokens are learned. */
export async function languageModelMaterials(config: ResolvedConfig): Promise<Materials> {
  const { data, training, sample } = config, corpus = await textOf(data);
  try {
    checkedHash(config, corpus);
    const { tokenizer } = corpus, vocabulary = vocabularyFor(config, tokenizer.vocabularySize);
    checkPrompt(sample!.prompt, tokenizer);
    const resolved = { ...config, model: { ...config.model, vocabulary }, data: { ...data, sha256: corpus.hash } } as ResolvedConfig, model = buildModel(resolved) as Decoder;
    if (data.packing) checkPacking(model);
    const { train, validation } = divided(corpus.name, wholeOf(corpus), data.validation), evaluation = evaluationOf(validation, training);
    return {
      config: resolved, source: corpus.name, tokenizer, model, learner: model, evaluation,
      batches: () => trainingBatches(train, training),
      amounts: [...(corpus.documents ? [['documents', corpus.documents.lengths.length] as const] : []), ['tokens to train on', tokensIn(train)], ['held out', tokensIn(validation)], ['vocabulary', tokenizer.vocabularySize]],
      baselines: () => countingBaselines(piecesOf(train), piecesOf(validation), tokenizer.vocabularySize),
      measure: async (_, loss) => textMeasures(loss, charactersAPrediction(validation, tokenizer, evaluation)),
      [Symbol.dispose]: () => corpus.close(),
    };
  } catch (error) {
    corpus.close();
    throw error;
  }
}

/** What a loss means: in nats a token. @param charactersAToken Characters that the text has a token; 1 for character tokens. */
export function textMeasures(loss: number, charactersAToken: number): Measures {
  const bitsPerCharacter = loss / Math.LN2 / charactersAToken, perplexity = Math.exp(loss);
  return { numbers: { bitsPerCharacter, perplexity }, headline: ['bits a character', bitsPerCharacter.toFixed(3)], lines: [['bits a character', bitsPerCharacter.toFixed(4)], ['perplexity', `${perplexity.toFixed(3)} a token`]] };
}

/** Asks the model itself whether documents can share its rows. */
function checkPacking(model: Decoder): void {
  const nothing = zeros([1, 2], 'i32');
  try {
    model.logits(nothing, { segments: nothing, positions: 'restart' });
  } catch (error) {
    throw new Failure(exitCodes.usage, `data.packing: ${(error as Error).message}`, { cause: error });
  }
}

function checkPrompt(prompt: string, tokenizer: Tokenizer): void {
  try {
    tokenizer.encode(prompt);
  } catch (error) {
    if (error instanceof UnknownCharacterError) throw new Failure(exitCodes.usage, `sample.prompt: ${error.message}`, { cause: error });
    throw error;
  }
}

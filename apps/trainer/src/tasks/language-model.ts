import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Decoder } from '@ashlar/models';
import { batches, evaluationBatches, split, UnknownCharacterError, type TokenSource, type Tokenizer } from '@ashlar/text';
import { openCorpus, type Corpus, type OpenCorpusOptions } from '@ashlar/text/node';
import { cacheFolder } from '@ashlar/webgpu-node';
import { predictedCharacters } from '../characters.js';
import type { ResolvedConfig } from '../config/resolve.js';
import { lookUpFrom } from '../data/look-up.js';
import { exitCodes, Failure } from '../failure.js';
import { countingBaselines } from '../report/baselines.js';
import { buildModel, checkedHash, vocabularyFor } from './building.js';
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
export async function textOf({ source, tokenizer, validation, fields }: ResolvedConfig['data']): Promise<Corpus> {
  if (tokenizer === 'symbol') throw new Failure(exitCodes.usage, 'data.tokenizer: symbol is for examples; a text takes character, byte, bytePairs or a file');
  return openText(source!, { field: fields?.text, tokenizer: typeof tokenizer === 'string' ? tokenizer : tokenizer.type === 'file' ? readTokenizer(tokenizer.path) : { ...tokenizer, share: 1 - validation } });
}

/** A text, whose next tokens are learned. */
export async function languageModelMaterials(config: ResolvedConfig): Promise<Materials> {
  const { data, training, sample } = config, corpus = await textOf(data);
  try {
    checkedHash(config, corpus);
    const { tokenizer } = corpus, vocabulary = vocabularyFor(config, tokenizer.vocabularySize);
    checkPrompt(sample!.prompt, tokenizer);
    const resolved = { ...config, model: { ...config.model, vocabulary }, data: { ...data, sha256: corpus.hash } } as ResolvedConfig, model = buildModel(resolved) as Decoder;
    const { train, validation } = divided(corpus, data.validation), { batch, context, seed } = training;
    const evaluation = evaluationBatches({ tokens: validation, context, batch });
    return {
      config: resolved, source: corpus.name, tokenizer, model, learner: model, evaluation,
      batches: batches({ tokens: train, context, batch, seed }),
      amounts: [['tokens to train on', train.length], ['held out', validation.length], ['vocabulary', tokenizer.vocabularySize]],
      baselines: () => countingBaselines(train, validation, tokenizer.vocabularySize),
      measure: async (_, loss) => textMeasures(loss, predictedCharacters(validation, tokenizer) / evaluation.predictions),
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

/** The part to train on and that which is held out; with 1 both are the whole. */
export function divided(corpus: Pick<Corpus, 'tokens' | 'name'>, validation: number): { train: TokenSource; validation: TokenSource } {
  const { length } = corpus.tokens;
  if (validation === 1) return { train: corpus.tokens, validation: corpus.tokens };
  const parts = length === 0 ? undefined : split(corpus.tokens, { validation });
  if (parts === undefined || parts.validation.length < 2) {
    throw new Failure(exitCodes.data, `${corpus.name}: ${length} tokens are too few: the held-out fraction ${validation} must hold at least 2; use a longer text or a greater data.validation`);
  }
  return parts;
}

function checkPrompt(prompt: string, tokenizer: Tokenizer): void {
  try {
    tokenizer.encode(prompt);
  } catch (error) {
    if (error instanceof UnknownCharacterError) throw new Failure(exitCodes.usage, `sample.prompt: ${error.message}`, { cause: error });
    throw error;
  }
}

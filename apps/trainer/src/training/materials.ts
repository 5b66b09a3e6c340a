import { build, CombinationError, ConfigError, type Decoder } from '@ashlar/models';
import { batches, evaluationBatches, split, UnknownCharacterError, type Batches, type EvaluationBatches, type TokenSource, type Tokenizer } from '@ashlar/text';
import { openCorpus, type Corpus } from '@ashlar/text/node';
import { cacheFolder } from '@ashlar/webgpu-node';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pluginParts } from '../config/plugins.js';
import type { ResolvedConfig } from '../config/resolve.js';
import type { RunConfig } from '../config/run-config.js';
import { exitCodes, Failure } from '../failure.js';

/** All that a training is made of, before a device is there. */
export interface Materials {
  /** With what the text decides. */
  readonly config: ResolvedConfig;
  readonly corpus: Corpus;
  readonly tokenizer: Tokenizer;
  readonly train: TokenSource;
  readonly validation: TokenSource;
  readonly batches: Batches;
  readonly evaluation: EvaluationBatches;
  readonly model: Decoder;
}

/** Where packages of texts are looked up: beside the program, and from the current folder. */
const lookUpFrom = [new URL(import.meta.url), join(process.cwd(), 'package.json')];

/** Opens a text with a tokenizer. Throws what `openCorpus` throws, and a Failure with exit code 5 where there can be no cache. */
export function openText(source: string, tokenizer: 'character' | 'byte' | Tokenizer): Corpus {
  const cache = join(cacheFolder(), 'tokens');
  try {
    mkdirSync(cache, { recursive: true });
  } catch (error) {
    throw new Failure(exitCodes.output, `cannot make the cache folder ${cache}: ${(error as Error).message}; set ASHLAR_CACHE to a folder that can be written`, { cause: error });
  }
  return openCorpus(source, { tokenizer, cache, from: lookUpFrom });
}

/**
 * Opens the text of a config and builds its model.
 *
 * @throws Failure with exit code 2 (config) or 3 (text), and the errors of the text package.
 */
export function prepareMaterials(config: ResolvedConfig): Materials {
  const { data, training, sample } = config;
  if (data.source === undefined) throw new Failure(exitCodes.usage, 'no text to train on: add data.source to the config, or use --data FILE (or --data npm:NAME)');
  const corpus = openText(data.source, data.tokenizer);
  try {
    if (data.sha256 !== undefined && data.sha256 !== corpus.hash) {
      throw new Failure(exitCodes.data, `${data.source}: the text is not the one of the config: its SHA-256 is ${corpus.hash}, and data.sha256 is ${data.sha256}; restore the text, or start a new run`);
    }
    const { tokenizer } = corpus;
    const vocabulary = config.model.vocabulary ?? tokenizer.vocabularySize;
    if (vocabulary < tokenizer.vocabularySize) {
      throw new Failure(exitCodes.usage, `model.vocabulary must be at least ${tokenizer.vocabularySize}, the number of tokens of ${data.source}, got ${vocabulary}; leave it out to have it follow from the text`);
    }
    checkPrompt(sample.prompt, tokenizer);
    const resolved: ResolvedConfig = { ...config, model: { ...config.model, vocabulary }, data: { ...data, sha256: corpus.hash } };
    const { train, validation } = divided(corpus, data.validation);
    const { batch, context, seed } = training;
    return {
      config: resolved, corpus, tokenizer, train, validation,
      batches: batches({ tokens: train, context, batch, seed }),
      evaluation: evaluationBatches({ tokens: validation, context, batch }),
      model: buildModel(resolved),
    };
  } catch (error) {
    corpus.close();
    throw error;
  }
}

/** The model of a config whose vocabulary is known. Throws a Failure with exit code 2. */
export function buildModel({ plugins, model, training }: RunConfig): Decoder {
  const { vocabulary } = model;
  if (vocabulary === undefined) throw new Failure(exitCodes.usage, 'model.vocabulary is missing');
  try {
    const parts = pluginParts(plugins, 'model');
    return build({ ...model, vocabulary }, { seed: training?.seed ?? 'none', ...(parts ? { parts } : {}) });
  } catch (error) {
    if (error instanceof ConfigError || error instanceof CombinationError || error instanceof RangeError) {
      throw new Failure(exitCodes.usage, `model: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

function divided(corpus: Corpus, validation: number): { train: TokenSource; validation: TokenSource } {
  const { length } = corpus.tokens;
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

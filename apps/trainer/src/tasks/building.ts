import { existsSync, statSync } from 'node:fs';
import { readSafetensorsFile } from '@ashlar/hub/node';
import { build, CombinationError, ConfigError, type Decoder, type Encoder, type EncoderDecoder } from '@ashlar/models';
import { pluginParts } from '../config/plugins.js';
import type { ResolvedConfig } from '../config/resolve.js';
import type { RunConfig } from '../config/run-config.js';
import { exitCodes, Failure } from '../failure.js';
import { runFolder } from '../run-folder.js';

/** The model of a config whose vocabulary is known; with `training.from`, beginning with those parameters. Throws a Failure with exit code 2 or 3. */
export function buildModel({ plugins, model, training }: RunConfig | ResolvedConfig): Decoder | Encoder | EncoderDecoder {
  const { vocabulary } = model;
  if (vocabulary === undefined) throw new Failure(exitCodes.usage, 'model.vocabulary is missing');
  try {
    const parts = pluginParts(plugins, 'model');
    const built = build({ ...model, vocabulary } as Parameters<typeof build>[0], { seed: training?.seed ?? 'none', ...(parts ? { parts } : {}) });
    if (training?.from !== undefined) beginFrom(built, training.from);
    return built;
  } catch (error) {
    if (error instanceof ConfigError || error instanceof CombinationError || error instanceof RangeError) {
      throw new Failure(exitCodes.usage, `model: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

/** Takes over the parameters of another model, wherever name and shape agree. */
function beginFrom(model: Decoder | Encoder | EncoderDecoder, from: string): void {
  const fail = (problem: string): Failure => new Failure(exitCodes.data, `training.from: ${problem}`);
  if (!existsSync(from)) throw fail(`${from}: there is no such folder or file`);
  const file = statSync(from).isDirectory() ? runFolder(from).model : from;
  if (!existsSync(file)) throw fail(`${from}: has no model.safetensors; it must be a run that is finished`);
  const { tensors } = readSafetensorsFile(file);
  let taken = 0;
  for (const [name, parameter] of model.namedParameters()) {
    const found = tensors.get(name);
    if (found?.dtype !== parameter.dtype || found.shape.join() !== parameter.shape.join()) continue;
    parameter.write(found.data);
    taken++;
  }
  if (taken === 0) throw fail(`${file}: no tensor has the name and shape of a parameter of the model`);
}

/** Refuses data that are not those which a run was begun with. */
export function checkedHash({ data }: ResolvedConfig, { name, hash }: { readonly name: string; readonly hash: string }): void {
  if (data.sha256 === undefined || data.sha256 === hash) return;
  throw new Failure(exitCodes.data, `${name}: the text is not the one of the config: its SHA-256 is ${hash}, and data.sha256 is ${data.sha256}; restore the text, or start a new run`);
}

/** V of a config, or as many tokens as there are. */
export function vocabularyFor({ model, data }: ResolvedConfig, tokens: number): number {
  const { vocabulary = tokens } = model;
  if (vocabulary < tokens) throw new Failure(exitCodes.usage, `model.vocabulary must be at least ${tokens}, the number of tokens of ${data.source}, got ${vocabulary}; leave it out to have it follow from the text`);
  return vocabulary;
}

import { existsSync, statSync } from 'node:fs';
import { families } from '@ashlar/hub';
import { exitCodes, Failure } from '../failure.js';
import { readJson, runFolder } from '../run-folder.js';
import { valueAt } from './issues.js';
import { withValue } from './override.js';
import type { RunConfig } from './run-config.js';

type Plain = Readonly<Record<string, unknown>>;

/**
 * What a config leaves open where its training begins from a run, as that run has it: the model, over which stands what the
 * config says of it, or of a model of the same type the vocabulary alone; the tokenizers; the plugins. A classifier of another model gets a head of its own; one of a classifier
 * goes on with its labels, unless the config names others.
 * @param from The run; anything else but the folder of one fills in nothing.
 * @throws {Failure} with exit code 2 where the model is not for the task, or 3 where the run cannot be read.
 */
export function filledFromRun(config: Plain, from: unknown): Plain {
  if (typeof from !== 'string' || !existsSync(from) || !statSync(from).isDirectory()) return config;
  const run = runFolder(from), stored = readJson(run.config) as RunConfig;
  let filled = config;
  for (const [key, file] of [['tokenizer', run.tokenizer], ['targetTokenizer', run.targetTokenizer]] as const) {
    if (existsSync(file) && valueAt(config, ['data', key]) === undefined) filled = withValue(filled, ['data', key], { type: 'file', path: file });
  }
  const given = (config['model'] ?? {}) as Plain;
  const { model, plugins } = stored;
  if (given['modelType'] !== undefined) return given['modelType'] === model.modelType && given['vocabulary'] === undefined ? withValue(filled, ['model', 'vocabulary'], model.vocabulary) : filled;
  const { head: ownHead, ...rest } = model as Plain & { readonly head?: Plain };
  const labels = valueAt(config, ['data', 'labels']), head = given['head'] ?? (model.modelType === 'encoder' ? headOf(stored, ownHead, config['task'], labels !== undefined, from) : undefined);
  if (plugins && !config['plugins']) filled = { ...filled, plugins };
  if (head === ownHead && stored.labels && labels === undefined) filled = withValue(filled, ['data', 'labels'], stored.labels);
  return { ...filled, model: { ...rest, ...given, ...(head ? { head } : {}) } };
}

/** The head for a task: that of the run, or for a classifier one of its family. */
function headOf({ family }: RunConfig, own: Plain | undefined, task: unknown, hasLabels: boolean, from: string): Plain {
  const type = { maskedLanguageModel: 'language', classification: 'classes' }[String(task)] ?? own?.['type'];
  if (type === undefined) throw new Failure(exitCodes.usage, `training.from: the model of ${from} has no head; say what is learned (task: classification), or give model.head`);
  if (own?.['type'] === type) {
    const { classes, ...kept } = own;
    return hasLabels || classes === undefined ? kept : own;
  }
  if (type !== 'classes') throw new Failure(exitCodes.usage, `training.from: the model of ${from} has no head for tokens; give model.head, such as { "type": "language" }`);
  return families[family ?? '']?.classifier ?? { type };
}

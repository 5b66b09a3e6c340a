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
 * config says of it, or of a model of the same type the vocabulary alone; the tokenizers; the plugins. A classifier of
 * another model gets a head of its own; one of a classifier goes on with its labels, unless the config names others.
 * @param from The run; anything else but a folder fills in nothing.
 * @throws {Failure} with exit code 2 where the model is not for the task or the folder holds no run, or 3 where it cannot be read.
 */
export function filledFromRun(config: Plain, from: unknown): Plain {
  if (typeof from !== 'string' || !existsSync(from) || !statSync(from).isDirectory()) return config;
  const run = runFolder(from), given = (config['model'] ?? {}) as Plain;
  let filled = config;
  if (given['modelType'] === undefined || given['vocabulary'] === undefined) {
    const stored = readJson(run.config) as Partial<RunConfig> | null;
    if (!stored?.model) throw new Failure(exitCodes.usage, `training.from: ${from} holds no run; a model of others becomes one by: import ${from} --out DIR`);
    filled = withModel(config, given, { ...stored, model: stored.model }, from);
  }
  const files = [['tokenizer', run.tokenizer], ...(valueAt(filled, ['model', 'modelType']) === 'encoderDecoder' ? [['targetTokenizer', run.targetTokenizer] as const] : [])] as const;
  for (const [key, file] of files) if (existsSync(file) && valueAt(config, ['data', key]) === undefined) filled = withValue(filled, ['data', key], { type: 'file', path: file });
  return filled;
}

function withModel(config: Plain, given: Plain, { family, model, plugins, ...stored }: Omit<Partial<RunConfig>, 'model'> & Pick<RunConfig, 'model'>, from: string): Plain {
  if (given['modelType'] !== undefined) return given['modelType'] === model.modelType ? withValue(config, ['model', 'vocabulary'], model.vocabulary) : config;
  const { head: ownHead, ...rest } = model as Plain & { readonly head?: Plain }, ownLabels = stored.labels ?? stored.data?.labels, labels = valueAt(config, ['data', 'labels']);
  const head = given['head'] ?? (model.modelType === 'encoder' ? headOf(family, ownHead, config['task'], labels !== undefined, from) : undefined);
  const filled = { ...config, ...(plugins && !config['plugins'] ? { plugins } : {}), model: { ...rest, ...given, ...(head ? { head } : {}) } };
  return head === ownHead && ownLabels && labels === undefined ? withValue(filled, ['data', 'labels'], ownLabels) : filled;
}

/** The head for a task: that of the run, or for a classifier one of its family. */
function headOf(family: string | undefined, own: Plain | undefined, task: unknown, hasLabels: boolean, from: string): Plain {
  const type = { maskedLanguageModel: 'language', classification: 'classes' }[String(task)] ?? own?.['type'];
  if (type === undefined) throw new Failure(exitCodes.usage, `training.from: the model of ${from} has no head; say what is learned (task: classification), or give model.head`);
  if (own?.['type'] === type) {
    const { classes, ...kept } = own;
    return hasLabels || classes === undefined ? kept : own;
  }
  if (type !== 'classes') throw new Failure(exitCodes.usage, `training.from: the model of ${from} has no head for tokens; give model.head, such as { "type": "language" }`);
  return families[family ?? '']?.classifier ?? { type };
}

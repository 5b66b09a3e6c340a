import { createHash } from 'node:crypto';
import { dirname, isAbsolute, resolve } from 'node:path';
import type { ModelType } from '@ashlar/models';
import { spanLengths } from '@ashlar/text';
import { z } from 'zod';
import { exitCodes, Failure } from '../failure.js';
import { runName } from '../run-folder.js';
import { publishedProblem } from '../tasks/published.js';
import { readConfigFile } from './config-file.js';
import { filledFromRun } from './from-run.js';
import { describeIssues, valueAt } from './issues.js';
import type { JsonSchema } from './json-schema.js';
import { parseOverride, readings, withValue } from './override.js';
import { placedPlugins, pluginParts } from './plugins.js';
import { sampleSection, type TaskName } from './sections.js';
import { configJsonSchema, configSchema, configSchemaWith, type Config } from './schema.js';

/** A config with every default filled in, save what the data decide (`model.vocabulary`, `data.sha256`, `data.labels`). */
export type ResolvedConfig = Config & { readonly name: string; readonly task: TaskName };

export interface ConfigChoices {
  /** `--set`, in order. */
  readonly set: readonly string[];
  /** `--data`, as typed in the current folder. */
  readonly data?: string;
  /** `--seed` */
  readonly seed?: number;
}

type Plain = Readonly<Record<string, unknown>>;

/** Reads a config file and resolves it. Throws a Failure with exit code 2 that has a line for each thing that is wrong. */
export function resolveConfigFile(path: string, choices: ConfigChoices): ResolvedConfig {
  const written = readConfigFile(path);
  let placed: Plain = written;
  for (const keys of [['data', 'source'], ['data', 'tokenizer', 'path'], ['data', 'targetTokenizer', 'path'], ['training', 'from']]) {
    const source = valueAt(written, keys);
    if (typeof source === 'string') placed = withValue(placed, keys, placedSource(source, dirname(path)));
  }
  return resolveConfig({ name: runName(path), ...placed }, choices, path);
}

/** Resolves a config that is data already. `where`, its file, stands before the messages; plugins are looked for from there. */
export function resolveConfig(given: Plain, choices: ConfigChoices, where: string): ResolvedConfig {
  const written = filledFromRun(given, choices.set.map(parseOverride).findLast(({ path }) => path.join('.') === 'training.from')?.text ?? valueAt(given, ['training', 'from']));
  const named = z.array(z.string()).safeParse(written['plugins']).data, plugins = named && placedPlugins(named, where);
  const parts = pluginParts(plugins, where), schema = parts ? configSchemaWith(parts) : configSchema;
  let config: Plain = { ...written, ...(plugins && { plugins }) };
  for (const text of choices.set) config = withOverride(config, text, schema);
  if (choices.data !== undefined) config = withValue(withoutKey(config, ['data', 'sha256']), ['data', 'source'], placedSource(choices.data, '.'));
  if (choices.seed !== undefined) config = withValue(config, ['training', 'seed'], choices.seed);
  if (config['plugins'] !== (plugins ?? written['plugins'])) throw new Failure(exitCodes.usage, '--set: plugins are named in the config alone');
  const parsed = schema.safeParse(config);
  if (!parsed.success) throw new Failure(exitCodes.usage, describeIssues(parsed.error.issues, config, configJsonSchema(schema, 'inline') as JsonSchema).map((line) => `${where}: ${line}`).join('\n'));
  const { $schema: _, ...rest } = parsed.data;
  return completed(rest, where);
}

/** Fills in what follows from other keys, and checks keys against each other. */
function completed(config: Config, where: string): ResolvedConfig {
  const { model, data, training, sample, published } = config, task = taskOf(model, config.task)!;
  const { context, steps, learningRate } = training, isPairs = task === 'sequenceToSequence';
  const fail = (message: string): Failure => new Failure(exitCodes.usage, `${where}: ${message}`);
  if (config.task !== undefined && config.task !== task) throw fail(`task ${config.task} does not go with the model, which is for ${task}: change the modelType or the head`);
  for (const [name, given, tasks] of [
    ['sample', sample, ['languageModel']], ['data.labels', data.labels, ['classification']], ['data.labelled', data.labelled, ['classification']], ['data.targetTokenizer', data.targetTokenizer, ['sequenceToSequence']],
    ['data.packing', data.packing, ['languageModel']], ['data.sampleBy', data.sampleBy, ['languageModel']], ['data.spans', data.spans, ['spanCorruption']],
    ['training.sourceContext', training.sourceContext, ['sequenceToSequence']],
  ] as const) if (given !== undefined && !(tasks as readonly string[]).includes(task)) throw fail(`${name} is for ${tasks.join(', ')}, and this is ${task}; leave it out`);
  for (const field of Object.keys(data.fields ?? {})) if (!fieldsOfTasks[task].includes(field)) throw fail(`data.fields.${field} does not go with ${task}, which reads ${fieldsOfTasks[task].join(', ')}; leave it out`);
  if (data.sampleBy !== undefined && !data.packing) throw fail('data.sampleBy says what a document is, which counts where documents are packed alone: set data.packing, or leave it out');
  const misplaced = published && publishedProblem(published, task);
  if (misplaced !== undefined) throw fail(misplaced);
  const sourceContext = training.sourceContext ?? context, spans = task === 'spanCorruption' ? { share: 0.15, meanSpan: 3, ...data.spans } : undefined, hidden = spans && spanLengths(context, spans);
  const longest = hidden ? Math.max(hidden.source, hidden.target) : isPairs ? Math.max(context, sourceContext) : context, maxLength = model.maxLength ?? longest;
  if (longest > maxLength) throw fail(hidden ? `training.context of ${context} gives sources and targets of up to ${longest} tokens, and model.maxLength is ${maxLength}` : `training.${context < longest ? 'sourceContext' : 'context'} must be at most model.maxLength (${maxLength}), got ${longest}`);
  if (learningRate.warmup >= steps) throw fail(`training.learningRate.warmup must be less than training.steps (${steps}), got ${learningRate.warmup}`);
  if (training.batch % training.microBatches !== 0) throw fail(`training.microBatches must divide training.batch (${training.batch}), got ${training.microBatches}`);
  return {
    ...config, name: config.name ?? 'run', task, model: { ...model, maxLength },
    data: { ...data, ...(spans ? { spans } : {}), ...(isPairs ? { targetTokenizer: data.targetTokenizer ?? data.tokenizer } : {}) },
    training: { ...training, ...(isPairs ? { sourceContext } : {}), learningRate: { ...learningRate, final: learningRate.final ?? learningRate.peak / 10 } },
    ...(task === 'languageModel' ? { sample: sampleSection.parse({ ...sample, seed: sample?.seed ?? training.seed }) } : {}),
  };
}

/** What a task reads of a record. */
const fieldsOfTasks: Readonly<Record<TaskName, readonly string[]>> = {
  languageModel: ['text'], spanCorruption: ['text'], maskedLanguageModel: ['text', 'group'], classification: ['text', 'label', 'group'], sequenceToSequence: ['source', 'target', 'group'],
};

/** What a model is for, or of two things the one that is wanted; undefined: nothing that a run can measure. */
export function taskOf(model: { readonly modelType: ModelType; readonly head?: { readonly type: string } | undefined }, wanted?: TaskName): TaskName | undefined {
  if (model.modelType === 'decoder') return 'languageModel';
  if (model.modelType === 'encoderDecoder') return wanted === 'spanCorruption' ? wanted : 'sequenceToSequence';
  return model.head?.type === 'language' ? 'maskedLanguageModel' : model.head?.type === 'classes' ? 'classification' : undefined;
}

/** The part of a config that decides the course of the training: all but the name, the place of the data, the sample and what others published. */
export function decisive({ model, data: { source: _, ...data }, training }: ResolvedConfig): unknown {
  return { model, data, training };
}

/** Of everything that decides the course of a training; the place of the text and the sample do not. */
export function configHash(config: ResolvedConfig): string {
  return createHash('sha256').update(JSON.stringify(sorted(decisive(config)))).digest('hex');
}

/** Paths of the keys in which two configs differ, with both values. */
export function differences(one: unknown, other: unknown, path = ''): string[] {
  if (isPlain(one) && isPlain(other)) {
    const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])];
    return keys.flatMap((key) => differences(one[key], other[key], path === '' ? key : `${path}.${key}`));
  }
  return JSON.stringify(one) === JSON.stringify(other) ? [] : [`${path} is ${JSON.stringify(one) ?? 'absent'} in the run and ${JSON.stringify(other) ?? 'absent'} now`];
}

/** Sets one key. Of the readings that its text has, the one that the schema objects to least is meant. */
function withOverride(config: Plain, text: string, schema: typeof configSchema): Plain {
  const override = parseOverride(text);
  const candidates = readings(override).map((value) => withValue(config, override.path, value));
  const objections = candidates.map((candidate) => schema.safeParse(candidate).error?.issues.length ?? 0);
  return candidates[objections.indexOf(Math.min(...objections))]!;
}

function placedSource(source: string, folder: string): string {
  return source.startsWith('npm:') || isAbsolute(source) ? source : resolve(folder, source);
}

function withoutKey(config: Plain, [first, second]: readonly [string, string]): Plain {
  const section = config[first];
  if (!isPlain(section)) return config;
  const { [second]: _, ...rest } = section;
  return { ...config, [first]: rest };
}

const isPlain = (value: unknown): value is Plain => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The same value with the keys of every object in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, sorted(inner)]));
}

import { parseModelConfig, type ModelConfig, type ModelConfigInput } from '@ashlar/models';
import { ConfigKeys, HuggingFaceConfigError } from './config-keys.js';
import { families } from './families.js';
import { harmlessKeys, type Family, type FileContents } from './families/family.js';
import type { ParameterShapes } from './tensor-table.js';

/** Numbers of tokens that mean something to whoever writes text with a model. Absent: it has none. */
export interface SpecialTokens {
  /** Before the first token of a text. */
  readonly begin?: number;
  /** After the last one; a model may have several. */
  readonly end?: number | readonly number[];
  readonly padding?: number;
  /** What the decoder of an encoder-decoder begins with. */
  readonly decoderStart?: number;
}

/** A model that a config.json describes. */
export interface DescribedModel {
  readonly family: Family;
  readonly config: ModelConfigInput;
  readonly specialTokens: SpecialTokens;
  /** The names of its classes, by their numbers; where the file names none, `LABEL_0` and so on. Absent: it has no head for classes. */
  readonly labels?: readonly string[];
}

const noFiles: FileContents = { shape: () => undefined };

/**
 * Our config of a model, from the contents of its config.json.
 *
 * @param options.files What its files hold, which tells the head of an encoder; default: nothing.
 * @param options.source For errors: the file's name.
 * @throws {HuggingFaceConfigError} on an unknown family, a missing or ill-typed key, a setting whose computation this
 *   project does not have, and any unknown key, since it may change the computation.
 */
export function readHuggingFaceConfig(json: unknown, { files = noFiles, source = 'config.json' }: { readonly files?: FileContents; readonly source?: string } = {}): DescribedModel {
  const keys = new ConfigKeys(json, source), name = keys.text('model_type');
  if (!Object.hasOwn(families, name)) throw keys.wrong('model_type', Object.keys(families).join(', '), name);
  const family = families[name]!, config = family.read(keys, files), specialTokens = readSpecialTokens(keys), labels = readLabels(keys, classesOf(config)), isPair = family.modelType === 'encoderDecoder';
  keys.only('is_encoder_decoder', [isPair], isPair);
  keys.ignore(harmlessKeys);
  keys.refuseOthers(name);
  return { family, config, specialTokens, ...(labels ? { labels } : {}) };
}

/**
 * The family that has a model of ours, and its config.json.
 *
 * @param options.family Its name; default: the first that has the model.
 * @param options.labels Of a model with a head for classes: their names; default `LABEL_0` and so on.
 * @throws {HuggingFaceConfigError} where none has it, with what each lacks.
 */
export function writeHuggingFaceConfig(config: ModelConfigInput, parameters: ParameterShapes, { family: wanted, specialTokens = {}, labels }: { readonly family?: string; readonly specialTokens?: SpecialTokens; readonly labels?: readonly string[] | undefined } = {}): { readonly family: Family; readonly json: Readonly<Record<string, unknown>> } {
  if (wanted !== undefined && !Object.hasOwn(families, wanted)) throw new HuggingFaceConfigError(`family must be ${Object.keys(families).join(', ')}, got ${JSON.stringify(wanted)}`);
  const model: ModelConfig = parseModelConfig(config), problems: string[] = [];
  for (const family of wanted === undefined ? Object.values(families).filter(({ modelType }) => modelType === model.modelType) : [families[wanted]!]) {
    try {
      return { family, json: { model_type: family.name, ...writeSpecialTokens(specialTokens), ...writtenBy(family, model, parameters), ...writeLabels(classesOf(config), labels), torch_dtype: 'float32' } };
    } catch (error) {
      if (!(error instanceof HuggingFaceConfigError)) throw error;
      problems.push(error.message);
    }
  }
  throw new HuggingFaceConfigError(problems.length === 1 ? problems[0]! : `no family of Hugging Face has this model:\n${problems.join('\n')}`);
}

function writtenBy(family: Family, model: ModelConfig, parameters: ParameterShapes): Readonly<Record<string, unknown>> {
  if (family.modelType !== model.modelType) throw new HuggingFaceConfigError(`as ${family.name}: modelType must be "${family.modelType}", got "${model.modelType}"`);
  const keys = new ConfigKeys(model, `as ${family.name}`), json = family.write(keys, parameters);
  keys.ignore(['modelType']);
  keys.refuseOthers(family.name);
  return json;
}

/** How many classes a model tells apart; undefined: it tells none apart. */
function classesOf(config: ModelConfigInput): number | undefined {
  const head = config.modelType === 'encoder' ? config.head : undefined;
  return head && head.type !== 'language' ? head.classes : undefined;
}

const defaultLabels = (classes: number): string[] => Array.from({ length: classes }, (_, id) => `LABEL_${id}`);

function readLabels(keys: ConfigKeys, classes: number | undefined): string[] | undefined {
  const names = keys.optional('id2label') as Readonly<Record<string, unknown>> | undefined;
  if (classes === undefined) return undefined;
  if (names === undefined) return defaultLabels(classes);
  const labels = Array.from({ length: classes }, (_, id) => names[id]);
  if (typeof names !== 'object' || Object.keys(names).length !== classes || !labels.every((label) => typeof label === 'string')) throw keys.wrong('id2label', `a name for each number from 0 to ${classes - 1}, as its head has ${classes} rows`, names);
  return labels;
}

function writeLabels(classes: number | undefined, labels: readonly string[] | undefined): object {
  if (classes === undefined) return {};
  if (labels && labels.length !== classes) throw new HuggingFaceConfigError(`labels: each of the ${classes} classes needs one, got ${labels.length}`);
  const names = labels ?? defaultLabels(classes);
  return { id2label: Object.fromEntries(names.map((label, id) => [id, label])), label2id: Object.fromEntries(names.map((label, id) => [label, id])) };
}

function readSpecialTokens(keys: ConfigKeys): SpecialTokens {
  const isToken = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
  const token = (key: string): number | undefined => {
    const value = keys.optional(key);
    // Old files say -1 where they mean none.
    if (value !== undefined && value !== -1 && !isToken(value)) throw keys.wrong(key, 'the number of a token', value);
    return value === -1 ? undefined : value;
  };
  const end = keys.optional('eos_token_id');
  if (Array.isArray(end) && !end.every(isToken)) throw keys.wrong('eos_token_id', 'numbers of tokens', end);
  const found = { begin: token('bos_token_id'), end: Array.isArray(end) ? end as number[] : token('eos_token_id'), padding: token('pad_token_id'), decoderStart: token('decoder_start_token_id') };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

const writeSpecialTokens = ({ begin, end, padding, decoderStart }: SpecialTokens): object =>
  ({ bos_token_id: begin ?? null, eos_token_id: end ?? null, pad_token_id: padding ?? null, ...(decoderStart === undefined ? {} : { decoder_start_token_id: decoderStart }) });

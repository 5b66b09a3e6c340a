import { build, type Decoder, type DecoderConfigInput, type Encoder, type EncoderConfigInput, type EncoderDecoder, type EncoderDecoderConfigInput, type Model, type ModelType } from '@ashlar/models';
import type { Tokenizer } from '@ashlar/text';
import { HuggingFaceConfigError } from './config-keys.js';
import { readHuggingFaceConfig, writeHuggingFaceConfig, type SpecialTokens } from './hugging-face-config.js';
import type { HostTensor } from './safetensors-format.js';
import { readParameters, storedTensors, type TensorFiles } from './tensor-transfer.js';

interface Kinds {
  readonly decoder: { readonly config: DecoderConfigInput; readonly model: Decoder };
  readonly encoder: { readonly config: EncoderConfigInput; readonly model: Encoder };
  readonly encoderDecoder: { readonly config: EncoderDecoderConfigInput; readonly model: EncoderDecoder };
}

/** A model with its weights, the config that `build` makes it from, and what belongs to it. */
export type PretrainedModel<Type extends ModelType = ModelType> = { [One in Type]: { readonly modelType: One; readonly specialTokens: SpecialTokens; readonly labels?: readonly string[] } & Kinds[One] }[Type];

/** A model of a Hugging Face family. */
export type HuggingFaceModel<Type extends ModelType = ModelType> = PretrainedModel<Type> & {
  /** The `model_type` of its config.json. */
  readonly family: string;
  /** Tensors of the files that belong to other heads than the model's. */
  readonly unused: readonly string[];
};

/** What a model is asked to be. */
export interface LoadOptions<Type extends ModelType> {
  /** Another type of model is refused; default: any. */
  readonly modelType?: Type | undefined;
}

/**
 * The model that config.json and files of tensors describe. Its dropout, which acts in training alone, is that of the config.
 *
 * @param options.source For errors: the name of config.json.
 * @throws HuggingFaceConfigError, SafetensorsError
 */
export function modelFromHuggingFace<Type extends ModelType = ModelType>(json: unknown, files: TensorFiles, { modelType, source = 'config.json' }: LoadOptions<Type> & { readonly source?: string } = {}): HuggingFaceModel<Type> {
  const { family, config, specialTokens, labels } = readHuggingFaceConfig(json, { files: { shape: (name) => files.tensors.get(name)?.shape }, source });
  if (modelType !== undefined && family.modelType !== modelType) throw new HuggingFaceConfigError(`${source}: it must describe a model of type ${modelType}, and ${family.name} is of type ${family.modelType}`);
  // A layer has tensors: a greater depth is refused before so many layers are built.
  const depth = config.modelType === 'encoderDecoder' ? Math.max(config.encoder?.depth ?? 0, config.decoder?.depth ?? 0, config.depth ?? 0) : config.depth;
  if (depth > files.tensors.size) throw new HuggingFaceConfigError(`${source}: it says ${depth} layers, and ${files.name} has ${files.tensors.size} tensors`);
  const model = built(config, source), { values, unused } = readParameters(family.table(config), model.namedParameters(), files);
  model.load(values);
  return { modelType: family.modelType, family: family.name, config, model, specialTokens, ...(labels ? { labels } : {}), unused } as unknown as HuggingFaceModel<Type>;
}

/** The model without its weights. What does not fit together is an error of the file's. */
export function built<Type extends ModelType>(config: Kinds[Type]['config'], source: string): Kinds[Type]['model'] {
  try {
    return build(config as DecoderConfigInput, { seed: 'none' });
  } catch (error) {
    throw new HuggingFaceConfigError(`${source}: ${(error as Error).message}`, { cause: error });
  }
}

/** What is written: a model with the config that it was built from, and what belongs to it. */
export type WritableModel = Pick<PretrainedModel, 'config' | 'model'> & { readonly specialTokens?: SpecialTokens | undefined; readonly labels?: readonly string[] | undefined; readonly tokenizer?: Tokenizer | undefined };

/** @throws {HuggingFaceConfigError} where a tokenizer has tokens that the model does not know. */
export function checkTokenizer(tokenizer: Tokenizer, { vocabulary }: { readonly vocabulary: number }): void {
  if (tokenizer.vocabularySize > vocabulary) throw new HuggingFaceConfigError(`the tokenizer has ${tokenizer.vocabularySize} tokens, and the model knows ${vocabulary}: they do not belong together`);
}

/** A model as Hugging Face's files hold it. */
export interface HuggingFaceFiles {
  readonly family: string;
  readonly json: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, HostTensor>;
}

/**
 * The config.json and the tensors, f32, of a model. Special tokens are, where they are not given, the tokenizer's.
 *
 * @param options.family The `model_type`; default: the first that has the model.
 * @throws {HuggingFaceConfigError} where no family has it, with what each lacks.
 */
export async function huggingFaceFiles({ config, model, tokenizer, specialTokens = specialTokensOf(tokenizer), labels }: WritableModel, { family: wanted }: { readonly family?: string | undefined } = {}): Promise<HuggingFaceFiles> {
  if (tokenizer) checkTokenizer(tokenizer, model);
  const parameters = model.namedParameters(), { family, json } = writeHuggingFaceConfig(config, parameters, { specialTokens, labels, ...(wanted === undefined ? {} : { family: wanted }) });
  return { family: family.name, json, tensors: storedTensors(family.table(config), parameters, await parameterValues(model)) };
}

/** A copy of every parameter, by name. */
export async function parameterValues(model: Model): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const [name, parameter] of model.namedParameters()) values.set(name, await parameter.read() as Float32Array);
  return values;
}

/** What a tokenizer knows of special tokens. */
export function specialTokensOf(tokenizer: Tokenizer | undefined): SpecialTokens {
  const { begin, end = [], padding } = tokenizer ?? {};
  return { ...(begin === undefined ? {} : { begin }), ...(end.length === 0 ? {} : { end: end.length === 1 ? end[0]! : end }), ...(padding === undefined ? {} : { padding }) };
}

import { build, type Decoder, type DecoderConfigInput } from '@ashlar/models';
import { HuggingFaceConfigError } from './config-keys.js';
import { readHuggingFaceConfig, writeHuggingFaceConfig, type SpecialTokens } from './hugging-face-config.js';
import type { HostTensor } from './safetensors-format.js';
import { readParameters, storedTensors, type TensorFiles } from './tensor-transfer.js';

/** A model with its weights, and what belongs to it. */
export interface PretrainedModel {
  /** As `build` takes it. */
  readonly config: DecoderConfigInput;
  readonly model: Decoder;
  readonly specialTokens: SpecialTokens;
}

/** A model of a Hugging Face family. */
export interface HuggingFaceModel extends PretrainedModel {
  /** The `model_type` of its config.json. */
  readonly family: string;
  /** Tensors of the files that belong to other heads than the model's. */
  readonly unused: readonly string[];
}

/**
 * The model that config.json and files of tensors describe. Its dropout, which acts in training alone, is that of the config.
 *
 * @param source For errors: the name of config.json.
 * @throws HuggingFaceConfigError, SafetensorsError
 */
export function modelFromHuggingFace(json: unknown, files: TensorFiles, source?: string): HuggingFaceModel {
  const { family, config, specialTokens } = readHuggingFaceConfig(json, source);
  // A layer has tensors: a greater depth is refused before so many layers are built.
  if (config.depth > files.tensors.size) throw new HuggingFaceConfigError(`${source ?? 'config.json'}: it says ${config.depth} layers, and ${files.name} has ${files.tensors.size} tensors`);
  const model = build(config, { seed: 'none' });
  const { values, unused } = readParameters(family.table, model.namedParameters(), files);
  model.load(values);
  return { family: family.name, config, model, specialTokens, unused };
}

/** A model as Hugging Face's files hold it. */
export interface HuggingFaceFiles {
  readonly family: string;
  readonly json: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, HostTensor>;
}

/**
 * The config.json and the tensors, f32, of a model.
 *
 * @param options.family The `model_type`; default: the first that has the model.
 * @throws {HuggingFaceConfigError} where no family has it, with what each lacks.
 */
export async function huggingFaceFiles({ config, model, specialTokens }: Pick<PretrainedModel, 'config' | 'model'> & { readonly specialTokens?: SpecialTokens }, options: { readonly family?: string } = {}): Promise<HuggingFaceFiles> {
  const parameters = model.namedParameters(), { family, json } = writeHuggingFaceConfig(config, parameters, { ...options, ...(specialTokens ? { specialTokens } : {}) });
  const values = new Map<string, Float32Array>();
  for (const [name, parameter] of parameters) values.set(name, await parameter.read() as Float32Array);
  return { family: family.name, json, tensors: storedTensors(family.table, parameters, values) };
}

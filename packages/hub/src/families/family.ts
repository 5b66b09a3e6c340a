import type { DecoderConfigInput } from '@ashlar/models';
import type { ConfigKeys } from '../config-keys.js';
import type { ParameterShapes, TensorTable } from '../tensor-table.js';

/** A family of Hugging Face models: how its config.json and its files translate into ours, and back. */
export interface Family {
  /** The `model_type` of its config.json. */
  readonly name: string;
  readonly table: TensorTable;
  /**
   * Our config of a model. What it does not ask `keys` for is refused.
   * @throws {HuggingFaceConfigError} on a setting whose computation this project does not have.
   */
  read(keys: ConfigKeys): DecoderConfigInput;
  /**
   * config.json of a model of ours. What it does not ask `model` for, a config with all defaults filled in, is refused.
   * @throws {HuggingFaceConfigError} where the family has no such model.
   */
  write(model: ConfigKeys, parameters: ParameterShapes): Readonly<Record<string, unknown>>;
}

/** Keys of config.json that say nothing about the computation of a forward pass in full precision. */
export const harmlessKeys: readonly string[] = [
  'architectures', 'model_type', 'transformers_version', '_name_or_path', 'torch_dtype', 'dtype', 'use_cache', 'task_specific_params', 'return_dict',
  'output_attentions', 'output_hidden_states', 'id2label', 'label2id', 'problem_type', '_attn_implementation', 'attn_implementation', 'torchscript',
  'chunk_size_feed_forward', 'tokenizer_class', 'gradient_checkpointing', 'bos_token_id', 'eos_token_id', 'pad_token_id',
];

import type { EncoderConfigInput, ModelConfigInput, ModelType } from '@ashlar/models';
import type { ConfigKeys } from '../config-keys.js';
import type { ParameterShapes, TensorTable } from '../tensor-table.js';

/** What a family's files hold: shapes of tensors by name. A name of the table is found with or without the model's prefix. */
export interface FileContents { shape(name: string): readonly number[] | undefined }

/** A family of Hugging Face models: how its config.json and its files translate into ours, and back. */
export interface Family {
  /** The `model_type` of its config.json. */
  readonly name: string;
  /** Which of our models it has. */
  readonly modelType: ModelType;
  /** The head that its classifiers have; absent: it has none. */
  readonly classifier?: Omit<Extract<EncoderConfigInput['head'], { type: 'classes' }>, 'classes'>;
  /** Where its tensors stand in the model of such a config. */
  table(config: ModelConfigInput): TensorTable;
  /**
   * Our config of a model. What it does not ask `keys` for is refused. Which head a model has, its tensors tell.
   * @throws {HuggingFaceConfigError} on a setting whose computation this project does not have.
   */
  read(keys: ConfigKeys, files: FileContents): ModelConfigInput;
  /**
   * config.json of a model of ours. What it does not ask `model` for, a config with all defaults filled in, is refused.
   * @throws {HuggingFaceConfigError} where the family has no such model.
   */
  write(model: ConfigKeys, parameters: ParameterShapes): Readonly<Record<string, unknown>>;
}

/** Keys of config.json that say nothing about the computation of a forward pass in full precision. */
export const harmlessKeys: readonly string[] = [
  'architectures', 'model_type', 'transformers_version', '_name_or_path', 'torch_dtype', 'dtype', 'use_cache', 'task_specific_params', 'return_dict',
  'output_attentions', 'output_hidden_states', 'output_past', 'id2label', 'label2id', 'problem_type', 'finetuning_task', '_attn_implementation', 'attn_implementation', 'torchscript',
  'chunk_size_feed_forward', 'tokenizer_class', 'gradient_checkpointing', 'transformers.js_config', 'bos_token_id', 'eos_token_id', 'pad_token_id', 'sep_token_id', 'decoder_start_token_id', '_num_labels', 'num_labels',
  // How text is generated.
  'bad_words_ids', 'begin_suppress_tokens', 'diversity_penalty', 'do_sample', 'early_stopping', 'encoder_no_repeat_ngram_size', 'exponential_decay_length_penalty', 'force_bos_token_to_be_generated',
  'forced_bos_token_id', 'forced_eos_token_id', 'length_penalty', 'max_length', 'max_new_tokens', 'min_length', 'no_repeat_ngram_size', 'num_beam_groups', 'num_beams', 'num_return_sequences', 'output_scores',
  'prefix', 'remove_invalid_values', 'repetition_penalty', 'return_dict_in_generate', 'suppress_tokens', 'temperature', 'top_k', 'top_p', 'typical_p',
];

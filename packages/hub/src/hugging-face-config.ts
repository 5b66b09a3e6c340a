/** A Hugging Face config.json describes a model that cannot be built as it stands. */
export class HuggingFaceConfigError extends Error {
  override readonly name = 'HuggingFaceConfigError';
}

/** The non-linear functions between the layers of a feed-forward block. `geluTanh` is the tanh approximation, `gelu` the exact one. */
export type Activation = 'gelu' | 'geluTanh' | 'relu' | 'silu';

/** What a Hugging Face config says of a decoder-only model, in the words of this project. */
export interface DecoderDescription {
  readonly family: 'gpt2' | 'llama';
  /** V */
  readonly vocabulary: number;
  /** C */
  readonly width: number;
  /** L */
  readonly depth: number;
  /** The longest sequence the model was made for. */
  readonly context: number;
  /** Query heads H, key/value heads G, width of a head D. `bias`: on the query, key, value and output projections. */
  readonly attention: { readonly heads: number; readonly kvHeads: number; readonly headWidth: number; readonly bias: boolean };
  /** `mlp` is activation(x·up)·down, `gated` is (activation(x·gate) ⊙ x·up)·down. F is `width`. */
  readonly feedForward: { readonly type: 'mlp' | 'gated'; readonly width: number; readonly activation: Activation; readonly bias: boolean };
  /** Pre-norm in each block and once before the head. */
  readonly norm: { readonly type: 'layer' | 'rms'; readonly epsilon: number };
  readonly positional: { readonly type: 'learned' } | { readonly type: 'rotary'; readonly base: number; readonly layout: 'halfSplit' };
  /** Whether the output head is the token embedding. */
  readonly tiedHead: boolean;
  readonly dropout: { readonly embedding: number; readonly attention: number; readonly residual: number };
  /** Standard deviation of initial weights. */
  readonly initializerRange: number;
}

/** Keys that say nothing about the computation of a forward pass in full precision. */
const harmless = new Set([
  'architectures', 'model_type', 'transformers_version', '_name_or_path', 'torch_dtype', 'dtype', 'use_cache', 'bos_token_id', 'eos_token_id',
  'pad_token_id', 'task_specific_params', 'summary_activation', 'summary_first_dropout', 'summary_proj_to_labels', 'summary_type',
  'summary_use_proj', 'return_dict', 'output_attentions', 'output_hidden_states', 'id2label', 'label2id', 'problem_type', '_attn_implementation',
  'attn_implementation', 'torchscript', 'chunk_size_feed_forward', 'tokenizer_class', 'gradient_checkpointing',
]);

/**
 * Reads the contents of a config.json of the families `gpt2` and `llama`.
 *
 * @throws HuggingFaceConfigError on an unknown family, a missing or ill-typed key, a setting whose computation this
 *   project does not have, and any unknown key, since it may change the computation.
 */
export function describeHuggingFaceConfig(config: unknown): DecoderDescription {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) throw new HuggingFaceConfigError('config.json: must be an object');
  const keys = new ConfigKeys(config as Record<string, unknown>);
  const family = keys.text('model_type');
  keys.only('is_encoder_decoder', [false], false);
  const description = family === 'gpt2' ? describeGpt2(keys) : family === 'llama' ? describeLlama(keys) : undefined;
  if (description === undefined) throw new HuggingFaceConfigError(`config.json: model_type must be gpt2 or llama, got ${JSON.stringify(family)}`);
  keys.refuseOthers(family);
  return description;
}

function describeGpt2(keys: ConfigKeys): DecoderDescription {
  const width = keys.count('n_embd', 768), heads = keys.count('n_head', 12);
  const context = keys.count('n_positions', 1024);
  keys.only('n_ctx', [context], context);
  keys.only('add_cross_attention', [false], false);
  keys.only('scale_attn_weights', [true], true);
  keys.only('scale_attn_by_inverse_layer_idx', [false], false);
  keys.only('reorder_and_upcast_attn', [true, false], false);
  keys.only('pruned_heads', [null], null);
  return {
    family: 'gpt2',
    vocabulary: keys.count('vocab_size', 50257),
    width,
    depth: keys.count('n_layer', 12),
    context,
    attention: { heads, kvHeads: heads, headWidth: divided(width, heads, 'n_embd', 'n_head'), bias: true },
    feedForward: { type: 'mlp', width: keys.count('n_inner', 4 * width), activation: keys.activation('activation_function', 'gelu_new'), bias: true },
    norm: { type: 'layer', epsilon: keys.number('layer_norm_epsilon', 1e-5) },
    positional: { type: 'learned' },
    tiedHead: keys.only('tie_word_embeddings', [true, false], true) as boolean,
    dropout: { embedding: keys.number('embd_pdrop', 0.1), attention: keys.number('attn_pdrop', 0.1), residual: keys.number('resid_pdrop', 0.1) },
    initializerRange: keys.number('initializer_range', 0.02),
  };
}

function describeLlama(keys: ConfigKeys): DecoderDescription {
  const width = keys.count('hidden_size', 4096), heads = keys.count('num_attention_heads', 32);
  const kvHeads = keys.count('num_key_value_heads', heads);
  divided(heads, kvHeads, 'num_attention_heads', 'num_key_value_heads');
  const headWidth = keys.optionalCount('head_dim') ?? divided(width, heads, 'hidden_size', 'num_attention_heads');
  keys.only('pretraining_tp', [1], 1);
  keys.only('rope_scaling', [null], null);
  keys.only('partial_rotary_factor', [1], 1);
  return {
    family: 'llama',
    vocabulary: keys.count('vocab_size', 32000),
    width,
    depth: keys.count('num_hidden_layers', 32),
    context: keys.count('max_position_embeddings', 2048),
    attention: { heads, kvHeads, headWidth, bias: keys.only('attention_bias', [true, false], false) as boolean },
    feedForward: {
      type: 'gated', width: keys.count('intermediate_size', 11008), activation: keys.activation('hidden_act', 'silu'),
      bias: keys.only('mlp_bias', [true, false], false) as boolean,
    },
    norm: { type: 'rms', epsilon: keys.number('rms_norm_eps', 1e-6) },
    positional: { type: 'rotary', base: ropeBase(keys), layout: 'halfSplit' },
    tiedHead: keys.only('tie_word_embeddings', [true, false], false) as boolean,
    dropout: { embedding: 0, attention: keys.number('attention_dropout', 0), residual: 0 },
    initializerRange: keys.number('initializer_range', 0.02),
  };
}

/** The base of the rotary angles: newer files keep it in `rope_parameters`, older ones in `rope_theta`. */
function ropeBase(keys: ConfigKeys): number {
  const parameters = keys.take('rope_parameters');
  const base = keys.number('rope_theta', 10000);
  if (parameters === undefined || parameters === null) return base;
  const inner = new ConfigKeys(parameters as Record<string, unknown>, 'rope_parameters.');
  inner.only('rope_type', ['default'], 'default');
  inner.only('partial_rotary_factor', [1], 1);
  const given = inner.number('rope_theta', base);
  inner.refuseOthers('llama');
  return given;
}

function divided(whole: number, parts: number, wholeName: string, partsName: string): number {
  if (whole % parts !== 0) throw new HuggingFaceConfigError(`config.json: ${partsName} must divide ${wholeName} (${whole}), got ${parts}`);
  return whole / parts;
}

const activations: Readonly<Record<string, Activation>> = {
  gelu: 'gelu', gelu_new: 'geluTanh', gelu_pytorch_tanh: 'geluTanh', relu: 'relu', silu: 'silu', swish: 'silu',
};

/** The keys of a config, of which it remembers those that were asked for. */
class ConfigKeys {
  private readonly taken = new Set<string>();
  constructor(private readonly config: Readonly<Record<string, unknown>>, private readonly path = '') {}

  take(key: string): unknown {
    this.taken.add(key);
    return Object.hasOwn(this.config, key) ? this.config[key] : undefined;
  }

  text(key: string): string {
    const value = this.take(key);
    if (typeof value !== 'string') throw this.wrong(key, 'a string', value);
    return value;
  }

  number(key: string, otherwise: number): number {
    const value = this.take(key) ?? otherwise;
    if (typeof value !== 'number' || !(value >= 0)) throw this.wrong(key, 'a number from 0', value);
    return value;
  }

  count(key: string, otherwise: number): number { return this.optionalCount(key) ?? otherwise; }

  optionalCount(key: string): number | undefined {
    const value = this.take(key) ?? undefined;
    if (value !== undefined && (!Number.isSafeInteger(value) || (value as number) < 1)) throw this.wrong(key, 'a whole number from 1', value);
    return value as number | undefined;
  }

  activation(key: string, otherwise: string): Activation {
    return activations[this.only(key, Object.keys(activations), otherwise) as string]!;
  }

  /** The value of a key, which must be one of those that this project computes. */
  only(key: string, values: readonly unknown[], otherwise: unknown): unknown {
    const taken = this.take(key);
    const value = taken === undefined ? otherwise : taken;
    if (!values.includes(value)) throw this.wrong(key, values.map((one) => JSON.stringify(one)).join(' or '), value);
    return value;
  }

  refuseOthers(family: string): void {
    const unknown = Object.keys(this.config).find((key) => !this.taken.has(key) && !(this.path === '' && harmless.has(key)));
    if (unknown !== undefined) {
      throw new HuggingFaceConfigError(`config.json: ${this.path}${unknown} is unknown for ${family} and may change what the model computes: remove it if it does not`);
    }
  }

  private wrong(key: string, allowed: string, got: unknown): HuggingFaceConfigError {
    return new HuggingFaceConfigError(`config.json: ${this.path}${key} must be ${allowed}, got ${JSON.stringify(got)}`);
  }
}

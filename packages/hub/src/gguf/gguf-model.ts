import { rotaryFrequencies, type RotaryScaling } from '@ashlar/positional';
import { storedAs, type FloatStorage } from '../float-storage.js';
import { writeHuggingFaceConfig } from '../hugging-face-config.js';
import { checkTokenizer, parameterValues, type WritableModel } from '../pretrained-model.js';
import { interleavedRows } from '../rotary-rows.js';
import type { WritableTensor } from '../safetensors-format.js';
import { storedTensors } from '../tensor-transfer.js';
import { GgufError, type GgufMetadata, type GgufValue } from './gguf-format.js';
import { architectures, f32, ggufKeys, ggufTable, text, u32 } from './gguf-names.js';
import { ggufTokenizer } from './gguf-tokenizer.js';

/** What a GGUF file of a model holds. */
export interface GgufFile {
  readonly metadata: GgufMetadata;
  readonly tensors: ReadonlyMap<string, WritableTensor>;
}

export interface GgufOptions {
  /** Of matrices; vectors are f32. Default f32. */
  readonly storage?: FloatStorage | undefined;
  /** What the file calls the model. */
  readonly name?: string | undefined;
}

/** llama.cpp's numbers for what most tensors of a file are. */
const fileTypes = { f32: 0, f16: 1, bf16: 32 } as const;

/**
 * A model of the Llama family (Llama, Mistral, Qwen 2 and 3) with its tokenizer, as llama.cpp loads it. Where llama.cpp
 * turns neighbours, the rows of queries and keys change places.
 * @throws {GgufError | HuggingFaceConfigError} where llama.cpp has no such model or tokenizer.
 */
export async function ggufFile({ config, model, tokenizer, specialTokens }: WritableModel, { storage = 'f32', name = 'ashlar' }: GgufOptions = {}): Promise<GgufFile> {
  if (!tokenizer) throw new GgufError('a GGUF file needs a tokenizer: give one');
  checkTokenizer(tokenizer, model);
  if (tokenizer.vocabularySize !== model.vocabulary) throw new GgufError(`a GGUF file needs a tokenizer with as many tokens as the model (${model.vocabulary}), got ${tokenizer.vocabularySize}`);
  const parameters = model.namedParameters(), { family, json } = writeHuggingFaceConfig(config, parameters, { ...(specialTokens ? { specialTokens } : {}) });
  if (!Object.hasOwn(architectures, family.name)) throw new GgufError(`a model of the family ${family.name} has no form in GGUF here; ${Object.keys(architectures).join(', ')} have`);
  const { name: architecture, pairs } = architectures[family.name as keyof typeof architectures], window = json.sliding_window;
  if (json.hidden_act !== 'silu') throw new GgufError(`llama.cpp has feed-forwards gated by silu alone, got ${String(json.hidden_act)}`);
  if (typeof window === 'number' && window < (json.max_position_embeddings as number)) throw new GgufError(`llama.cpp sees no window in a ${family.name} model, and this one has ${window} of ${String(json.max_position_embeddings)} tokens`);

  const tensors = new Map<string, WritableTensor>(), headWidth = json.head_dim as number, heads = { attn_q: json.num_attention_heads as number, attn_k: json.num_key_value_heads as number };
  for (const [stored, tensor] of storedTensors(ggufTable, parameters, await parameterValues(model))) {
    const part = /^blk\.\d+\.(attn_q|attn_k)\.(weight|bias)$/.exec(stored)?.[1] as keyof typeof heads | undefined;
    const turned = part && pairs === 'interleaved' ? { ...tensor, data: interleavedRows(tensor.data as Float32Array, heads[part], headWidth) } : tensor;
    tensors.set(stored, turned.shape.length < 2 ? turned : storedAs(storage, turned, 'gguf', stored));
  }
  const scaling = scalingOf(json, headWidth);
  for (const [key, tensor] of scaling.tensors) tensors.set(key, tensor);
  return {
    tensors,
    metadata: new Map<string, GgufValue>([
      ['general.architecture', text(architecture)], ['general.name', text(name)], ['general.file_type', u32(fileTypes[storage])],
      ...ggufKeys.map(([key, from, type]): [string, GgufValue] => [`${architecture}.${key}`, type === 'u32' ? u32(json[from] as number) : f32(json[from] as number)]),
      ...scaling.metadata.map(([key, value]): [string, GgufValue] => [`${architecture}.rope.scaling.${key}`, value]),
      ...ggufTokenizer(tokenizer),
    ]),
  };
}

/** Rotary scaling: by metadata, or as Llama 3's, whose factors are a tensor. */
function scalingOf(json: Readonly<Record<string, unknown>>, headWidth: number): { readonly metadata: readonly [string, GgufValue][]; readonly tensors: readonly [string, WritableTensor][] } {
  const scaling = json.rope_scaling as { rope_type: string; factor: number; original_max_position_embeddings: number; low_freq_factor: number; high_freq_factor: number; beta_fast: number; beta_slow: number; attention_factor?: number } | null;
  if (!scaling) return { metadata: [], tensors: [] };
  const { rope_type: type, factor, original_max_position_embeddings: originalLength } = scaling;
  if (type === 'linear') return { metadata: [['type', text('linear')], ['factor', f32(factor)]], tensors: [] };
  if (type === 'yarn') {
    if (scaling.beta_fast !== 32 || scaling.beta_slow !== 1 || scaling.attention_factor !== undefined) throw new GgufError('llama.cpp has YaRN with 32 fast turns, 1 slow turn and its own attention factor alone; leave out fastTurns, slowTurns and attentionFactor');
    return { metadata: [['type', text('yarn')], ['factor', f32(factor)], ['original_context_length', u32(originalLength)]], tensors: [] };
  }
  const llama3: RotaryScaling = { type: 'llama3', factor, originalLength, lowFrequencyFactor: scaling.low_freq_factor, highFrequencyFactor: scaling.high_freq_factor };
  const base = json.rope_theta as number, plain = rotaryFrequencies(headWidth, base, undefined), scaled = rotaryFrequencies(headWidth, base, llama3);
  return { metadata: [], tensors: [['rope_freqs.weight', { dtype: 'f32', shape: [headWidth / 2], data: Float32Array.from(plain, (frequency, i) => frequency / scaled[i]!) }]] };
}

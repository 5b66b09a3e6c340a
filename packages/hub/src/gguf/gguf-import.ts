import type { DecoderConfigInput } from '@ashlar/models';
import { scoredPiecesTokenizer, type Tokenizer } from '@ashlar/text';
import { readHuggingFaceConfig, type SpecialTokens } from '../hugging-face-config.js';
import { built, type PretrainedModel } from '../pretrained-model.js';
import { halfSplitRows } from '../rotary-rows.js';
import { readParameters } from '../tensor-transfer.js';
import { GgufError, type GgufMetadata } from './gguf-format.js';
import { architectures, ggufKeys, ggufTable } from './gguf-names.js';
import type { GgufReader } from './gguf-reader.js';

/** A model of a GGUF file, and its tokenizer where this project has one such. */
export interface GgufModel extends PretrainedModel<'decoder'> { readonly tokenizer: Tokenizer | undefined }

/** Keys about the model that say nothing of what it computes, or what others say too. */
const harmless = new Set(['rope.scaling.finetuned']);

/**
 * The model of a GGUF file of the architectures llama, qwen2 and qwen3 whose tensors are not quantized.
 * @param name For errors: the file's name.
 * @throws {GgufError} on another architecture, a key that may change what the model computes, or a tensor that is missing.
 */
export function modelFromGguf({ metadata, tensors, read }: GgufReader, name = 'gguf'): GgufModel {
  const fail = (problem: string): GgufError => new GgufError(`${name}: ${problem}`);
  const architecture = stringOf(metadata, 'general.architecture'), known = Object.entries(architectures).find(([, about]) => about.name === architecture);
  if (!known) throw fail(`general.architecture must be ${[...new Set(Object.values(architectures).map((about) => about.name))].join(', ')}, got ${JSON.stringify(architecture ?? null)}`);
  const [family, { pairs }] = known, json = configOf(metadata, { architecture: architecture!, family, has: (tensor) => tensors.has(tensor), fail });
  const { config, specialTokens } = readHuggingFaceConfig(json, { source: name }), decoder = config as DecoderConfigInput;
  if (decoder.depth > tensors.size) throw fail(`it says ${decoder.depth} layers, and it has ${tensors.size} tensors`);
  const model = built<'decoder'>(decoder, name), heads = { attn_q: json.num_attention_heads as number, attn_k: json.num_key_value_heads as number };
  const { values } = readParameters(ggufTable, model.namedParameters(), {
    name, tensors,
    read(stored) {
      const part = /^blk\.\d+\.(attn_q|attn_k)\.(weight|bias)$/.exec(stored)?.[1] as keyof typeof heads | undefined, tensor = read(stored);
      if (!part || pairs === 'halfSplit') return tensor;
      return { ...tensor, data: halfSplitRows(tensor.data as Float32Array | Uint16Array, heads[part], headWidthOf(decoder)) };
    },
  });
  model.load(values);
  return { modelType: 'decoder', config: decoder, model, specialTokens, tokenizer: attempt(() => tokenizerOf(metadata, specialTokens), fail) };
}

/** config.json of the same model. */
function configOf(metadata: GgufMetadata, { architecture, family, has, fail }: { readonly architecture: string; readonly family: string; has(tensor: string): boolean; fail(problem: string): GgufError }): Readonly<Record<string, unknown>> {
  const json: Record<string, unknown> = { model_type: family, tie_word_embeddings: !has('output.weight') }, taken = new Set<string>(), prefix = `${architecture}.`;
  const number = (key: string): number | undefined => {
    taken.add(key);
    const found = metadata.get(prefix + key);
    if (found === undefined) return undefined;
    if (found.type === 'array' || typeof found.value !== 'number') throw fail(`${prefix}${key} must be a number`);
    // An f32 has seven digits; more of them are not meant.
    return found.type === 'f32' ? Number(found.value.toPrecision(7)) : found.value;
  };
  for (const [key, to] of ggufKeys) {
    const value = number(key);
    if (value === undefined) continue;
    if (json[to] !== undefined && json[to] !== value) throw fail(`${prefix}${key} is ${value}, and what else says ${to} is ${String(json[to])}`);
    json[to] = value;
  }
  json.vocab_size ??= (metadata.get('tokenizer.ggml.tokens') as { readonly value: readonly unknown[] } | undefined)?.value.length;
  const type = stringOf(metadata, `${prefix}rope.scaling.type`), factor = number('rope.scaling.factor'), original = number('rope.scaling.original_context_length');
  taken.add('rope.scaling.type');
  if (type !== undefined && type !== 'none') json.rope_scaling = { rope_type: type, factor, ...(type === 'yarn' ? { original_max_position_embeddings: original } : {}) };
  if (has('rope_freqs.weight')) throw fail('it has rope_freqs.weight, factors of the rotary angles, which are not read: import the Hugging Face files');
  if (family === 'llama') Object.assign(json, { attention_bias: has('blk.0.attn_q.bias'), mlp_bias: has('blk.0.ffn_up.bias') });
  const unknown = [...metadata.keys()].find((key) => key.startsWith(prefix) && !taken.has(key.slice(prefix.length)) && !harmless.has(key.slice(prefix.length)));
  if (unknown !== undefined) throw fail(`${unknown} is unknown here and may change what the model computes`);
  for (const [key, to] of [['bos_token_id', 'bos_token_id'], ['eos_token_id', 'eos_token_id'], ['padding_token_id', 'pad_token_id']] as const) {
    const found = metadata.get(`tokenizer.ggml.${key}`);
    if (found) json[to] = found.value;
  }
  return json;
}

const stringOf = (metadata: GgufMetadata, key: string): string | undefined => {
  const found = metadata.get(key);
  return found?.type === 'string' ? found.value : undefined;
};

/** What goes wrong with a tokenizer is an error of the file's. */
function attempt<Result>(action: () => Result, fail: (problem: string) => GgufError): Result {
  try {
    return action();
  } catch (error) {
    throw fail((error as Error).message);
  }
}

/** SentencePiece's pairs by score; others are not read. */
function tokenizerOf(metadata: GgufMetadata, { begin, end }: SpecialTokens): Tokenizer | undefined {
  const list = (key: string): readonly unknown[] | undefined => (metadata.get(`tokenizer.ggml.${key}`) as { readonly value: readonly unknown[] } | undefined)?.value;
  const tokens = list('tokens'), scores = list('scores');
  if (stringOf(metadata, 'tokenizer.ggml.model') !== 'llama' || !tokens || !scores) return undefined;
  const last = Array.isArray(end) ? (end as number[])[0] : end as number | undefined;
  return scoredPiecesTokenizer({ pieces: tokens.map((token) => String(token).replaceAll('\u2581', ' ')), scores: scores as number[], ...(begin === undefined ? {} : { begin }), ...(last === undefined ? {} : { end: last }) });
}

const headWidthOf = ({ width, attention }: DecoderConfigInput): number => (attention as { headWidth?: number; heads: number }).headWidth ?? width / (attention as { heads: number }).heads;

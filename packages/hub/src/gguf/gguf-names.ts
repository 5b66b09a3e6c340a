import type { TensorTable } from '../tensor-table.js';
import type { GgufValue } from './gguf-format.js';

/** llama.cpp's architecture of each family of Hugging Face that it has a form of, and how it turns queries and keys. */
export const architectures = {
  llama: { name: 'llama', pairs: 'interleaved' },
  mistral: { name: 'llama', pairs: 'interleaved' },
  qwen2: { name: 'qwen2', pairs: 'halfSplit' },
  qwen3: { name: 'qwen3', pairs: 'halfSplit' },
} as const;

/** Where tensors stand; llama.cpp's names. */
export const ggufTable: TensorTable = {
  prefix: '',
  modules: [
    ['token_embd', 'tokens'],
    ['blk.N.attn_norm', 'layers.N.residual.norms.0'],
    ['blk.N.attn_q', 'layers.N.attention.query'],
    ['blk.N.attn_k', 'layers.N.attention.key'],
    ['blk.N.attn_v', 'layers.N.attention.value'],
    ['blk.N.attn_q_norm.weight', 'layers.N.attention.queryGain'],
    ['blk.N.attn_k_norm.weight', 'layers.N.attention.keyGain'],
    ['blk.N.attn_output', 'layers.N.attention.output'],
    ['blk.N.ffn_norm', 'layers.N.residual.norms.1'],
    ['blk.N.ffn_gate', 'layers.N.feedForward.gate'],
    ['blk.N.ffn_up', 'layers.N.feedForward.up'],
    ['blk.N.ffn_down', 'layers.N.feedForward.down'],
    ['output_norm', 'finalNorm'],
    ['output', 'head'],
  ],
};

/** Keys of a model's metadata, after the name of the architecture, and those of config.json that they are. */
export const ggufKeys: readonly (readonly [key: string, json: string, type: 'u32' | 'f32'])[] = [
  ['vocab_size', 'vocab_size', 'u32'],
  ['context_length', 'max_position_embeddings', 'u32'],
  ['embedding_length', 'hidden_size', 'u32'],
  ['block_count', 'num_hidden_layers', 'u32'],
  ['feed_forward_length', 'intermediate_size', 'u32'],
  ['attention.head_count', 'num_attention_heads', 'u32'],
  ['attention.head_count_kv', 'num_key_value_heads', 'u32'],
  ['attention.key_length', 'head_dim', 'u32'],
  ['attention.value_length', 'head_dim', 'u32'],
  ['attention.layer_norm_rms_epsilon', 'rms_norm_eps', 'f32'],
  ['rope.dimension_count', 'head_dim', 'u32'],
  ['rope.freq_base', 'rope_theta', 'f32'],
];

export const u32 = (value: number): GgufValue => ({ type: 'u32', value });
export const f32 = (value: number): GgufValue => ({ type: 'f32', value });
export const text = (value: string): GgufValue => ({ type: 'string', value });
export const flag = (value: boolean): GgufValue => ({ type: 'bool', value });

import type { DecoderDescription } from './hugging-face-config.js';

/**
 * What a tensor does in a decoder. `N` counts layers from 0. Weights of linear layers are [out, in].
 *
 * `tokens.weight` [V, C]; `positions.weight` [T, C]; `head.weight` [V, C]; `finalNorm.weight|bias` [C];
 * `layers.N.attentionNorm.weight|bias`, `layers.N.feedForwardNorm.weight|bias` [C];
 * `layers.N.attention.query|key|value|output.weight|bias`; `layers.N.feedForward.gate|up|down.weight|bias`.
 */
export type TensorRole = string;

/** Where a role's tensor is found in a Hugging Face file. */
export interface TensorSource {
  readonly role: TensorRole;
  /** Its shape, once it is transposed and cut. */
  readonly shape: readonly number[];
  /** Its name in the file. */
  readonly name: string;
  /** The shape it has in the file. */
  readonly storedShape: readonly number[];
  /** Whether it is stored as [in, out] and has to be transposed. */
  readonly transpose: boolean;
  /** Which rows of it (once transposed) are the role's, from (inclusive) and to (exclusive); absent: all. */
  readonly rows?: readonly [from: number, to: number];
}

/** Every tensor of a model, by role. Names are those of `GPT2LMHeadModel` and `LlamaForCausalLM`. */
export function tensorSources(description: DecoderDescription): TensorSource[] {
  return description.family === 'gpt2' ? gpt2Sources(description) : llamaSources(description);
}

/** Names that a file may hold besides: buffers that are computed from the config. */
export const computedBuffers = /(^|\.)(attn\.(bias|masked_bias)|rotary_emb\.inv_freq)$/;

/** The file's prefix of all but the head; files of the bare model lack it. */
export const modelPrefix = { gpt2: 'transformer.', llama: 'model.' } as const;

function gpt2Sources({ vocabulary: V, width: C, depth, context, feedForward: { width: F }, tiedHead }: DecoderDescription): TensorSource[] {
  const sources: TensorSource[] = [plain('tokens.weight', 'transformer.wte.weight', [V, C]), plain('positions.weight', 'transformer.wpe.weight', [context, C])];
  for (let layer = 0; layer < depth; layer++) {
    const role = `layers.${layer}.`, name = `transformer.h.${layer}.`;
    sources.push(...norm(`${role}attentionNorm`, `${name}ln_1`, C, true));
    for (const [index, part] of ['query', 'key', 'value'].entries()) {
      const rows = [index * C, (index + 1) * C] as const;
      sources.push({ role: `${role}attention.${part}.weight`, shape: [C, C], name: `${name}attn.c_attn.weight`, storedShape: [C, 3 * C], transpose: true, rows });
      sources.push({ role: `${role}attention.${part}.bias`, shape: [C], name: `${name}attn.c_attn.bias`, storedShape: [3 * C], transpose: false, rows });
    }
    sources.push(...convolution(`${role}attention.output`, `${name}attn.c_proj`, C, C));
    sources.push(...norm(`${role}feedForwardNorm`, `${name}ln_2`, C, true));
    sources.push(...convolution(`${role}feedForward.up`, `${name}mlp.c_fc`, F, C));
    sources.push(...convolution(`${role}feedForward.down`, `${name}mlp.c_proj`, C, F));
  }
  sources.push(...norm('finalNorm', 'transformer.ln_f', C, true));
  if (!tiedHead) sources.push(plain('head.weight', 'lm_head.weight', [V, C]));
  return sources;
}

function llamaSources(description: DecoderDescription): TensorSource[] {
  const { vocabulary: V, width: C, depth, attention, feedForward, tiedHead } = description;
  const { heads: H, kvHeads: G, headWidth: D } = attention, F = feedForward.width;
  const sources: TensorSource[] = [plain('tokens.weight', 'model.embed_tokens.weight', [V, C])];
  for (let layer = 0; layer < depth; layer++) {
    const role = `layers.${layer}.`, name = `model.layers.${layer}.`;
    sources.push(...norm(`${role}attentionNorm`, `${name}input_layernorm`, C, false));
    sources.push(...linear(`${role}attention.query`, `${name}self_attn.q_proj`, H * D, C, attention.bias));
    sources.push(...linear(`${role}attention.key`, `${name}self_attn.k_proj`, G * D, C, attention.bias));
    sources.push(...linear(`${role}attention.value`, `${name}self_attn.v_proj`, G * D, C, attention.bias));
    sources.push(...linear(`${role}attention.output`, `${name}self_attn.o_proj`, C, H * D, attention.bias));
    sources.push(...norm(`${role}feedForwardNorm`, `${name}post_attention_layernorm`, C, false));
    sources.push(...linear(`${role}feedForward.gate`, `${name}mlp.gate_proj`, F, C, feedForward.bias));
    sources.push(...linear(`${role}feedForward.up`, `${name}mlp.up_proj`, F, C, feedForward.bias));
    sources.push(...linear(`${role}feedForward.down`, `${name}mlp.down_proj`, C, F, feedForward.bias));
  }
  sources.push(...norm('finalNorm', 'model.norm', C, false));
  if (!tiedHead) sources.push(plain('head.weight', 'lm_head.weight', [V, C]));
  return sources;
}

const plain = (role: TensorRole, name: string, shape: readonly number[]): TensorSource => ({ role, shape, name, storedShape: shape, transpose: false });

function norm(role: TensorRole, name: string, width: number, bias: boolean): TensorSource[] {
  return [plain(`${role}.weight`, `${name}.weight`, [width]), ...(bias ? [plain(`${role}.bias`, `${name}.bias`, [width])] : [])];
}

function linear(role: TensorRole, name: string, out: number, inputs: number, bias: boolean): TensorSource[] {
  return [plain(`${role}.weight`, `${name}.weight`, [out, inputs]), ...(bias ? [plain(`${role}.bias`, `${name}.bias`, [out])] : [])];
}

/** GPT-2's linear layers, which are stored as [in, out]. */
function convolution(role: TensorRole, name: string, out: number, inputs: number): TensorSource[] {
  return [
    { role: `${role}.weight`, shape: [out, inputs], name: `${name}.weight`, storedShape: [inputs, out], transpose: true },
    plain(`${role}.bias`, `${name}.bias`, [out]),
  ];
}

import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { describeHuggingFaceConfig, HuggingFaceConfigError, huggingFaceWeights, readSafetensors, tensorSources, type HostTensor, type TensorFiles } from './index.js';

type Json = Record<string, unknown>;
const fixture = (path: string) => new URL(`../fixtures/${path}`, import.meta.url);
const config = (family: string) => JSON.parse(readFileSync(fixture(`${family}/config.json`), 'utf8')) as Json;

function files(tensors: ReadonlyMap<string, HostTensor>): TensorFiles {
  return { name: 'model.safetensors', tensors, read: (name) => tensors.get(name)! };
}
const modelTensors = (family: string) => readSafetensors(readFileSync(fixture(`${family}/model.safetensors`))).tensors;

describe('plain loops over the weights give the logits that PyTorch recorded', () => {
  test.each(['gpt2', 'llama'])('%s', (family) => {
    const reference = readSafetensors(readFileSync(fixture(`${family}/ref.safetensors`))).tensors;
    const weights = huggingFaceWeights(describeHuggingFaceConfig(config(family)), files(modelTensors(family)));
    const ids = reference.get('input_ids')!, mask = reference.get('attention_mask')!, expected = reference.get('logits')!;
    const [batch, time] = ids.shape as [number, number];
    let compared = 0;
    for (let b = 0; b < batch; b++) {
      const length = (mask.data as Int32Array).subarray(b * time, (b + 1) * time).reduce((sum, one) => sum + one, 0);
      const logits = plainDecoder(config(family), weights, [...ids.data.subarray(b * time, b * time + length)]);
      logits.flat().forEach((value, i) => {
        expect(Math.abs(value - expected.data[b * time * 61 + i]!)).toBeLessThan(2e-5);
        compared++;
      });
    }
    expect(compared).toBeGreaterThan(10 * 61);
  });
});

/** A decoder in f64 loops, from its config.json and weights by role. */
function plainDecoder(json: Json, weights: Map<string, HostTensor>, ids: number[]): number[][] {
  const llama = json.model_type === 'llama';
  const C = (json.n_embd ?? json.hidden_size) as number, H = (json.n_head ?? json.num_attention_heads) as number;
  const G = (json.num_key_value_heads ?? H) as number, D = C / H;
  const layers = (json.n_layer ?? json.num_hidden_layers) as number;
  const weight = (role: string) => weights.get(role)!.data;
  const linear = (x: number[], role: string) => {
    const { shape, data } = weights.get(`${role}.weight`)!, bias = weights.get(`${role}.bias`)?.data;
    return Array.from({ length: shape[0]! }, (_, o) => x.reduce((sum, value, i) => sum + value * data[o * x.length + i]!, bias?.[o] ?? 0));
  };
  const norm = (x: number[], role: string) => {
    const gain = weight(`${role}.weight`), shift = weights.get(`${role}.bias`)?.data;
    const mean = llama ? 0 : x.reduce((sum, value) => sum + value, 0) / C;
    const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / C;
    const epsilon = (json.layer_norm_epsilon ?? json.rms_norm_eps) as number;
    return x.map((value, i) => ((value - mean) / Math.sqrt(variance + epsilon)) * gain[i]! + (shift?.[i] ?? 0));
  };
  const rotate = (x: number[], position: number) => x.map((value, i) => {
    const inHead = i % D, half = D / 2, angle = position * 10000 ** (-2 * (inHead % half) / D);
    return value * Math.cos(angle) + (inHead < half ? -x[i + half]! : x[i - half]!) * Math.sin(angle);
  });
  const add = (x: number[], y: number[]) => x.map((value, i) => value + y[i]!);
  const gelu = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
  const silu = (x: number) => x / (1 + Math.exp(-x));

  let rows = ids.map((id, t) => Array.from({ length: C }, (_, c) => weight('tokens.weight')[id * C + c]! + (llama ? 0 : weight('positions.weight')[t * C + c]!)));
  for (let layer = 0; layer < layers; layer++) {
    const role = `layers.${layer}.`;
    const inputs = rows.map((x) => norm(x, `${role}attentionNorm`));
    const turned = (part: string) => inputs.map((x, t) => (llama ? rotate(linear(x, `${role}attention.${part}`), t) : linear(x, `${role}attention.${part}`)));
    const q = turned('query'), k = turned('key'), v = inputs.map((x) => linear(x, `${role}attention.value`));
    const mixed = q.map((query, t) => Array.from({ length: H }, (_, h) => {
      const g = Math.floor((h * G) / H);
      const scores = Array.from({ length: t + 1 }, (_, s) => Array.from({ length: D }, (_, d) => query[h * D + d]! * k[s]![g * D + d]!).reduce((a, b) => a + b, 0) / Math.sqrt(D));
      const peak = Math.max(...scores), exponentials = scores.map((score) => Math.exp(score - peak));
      const total = exponentials.reduce((a, b) => a + b, 0);
      return Array.from({ length: D }, (_, d) => exponentials.reduce((sum, e, s) => sum + (e / total) * v[s]![g * D + d]!, 0));
    }).flat());
    rows = rows.map((x, t) => add(x, linear(mixed[t]!, `${role}attention.output`)));
    rows = rows.map((x) => {
      const input = norm(x, `${role}feedForwardNorm`), up = linear(input, `${role}feedForward.up`);
      const hidden = llama ? linear(input, `${role}feedForward.gate`).map((value, i) => silu(value) * up[i]!) : up.map(gelu);
      return add(x, linear(hidden, `${role}feedForward.down`));
    });
  }
  const head = weights.get('head.weight') ?? weights.get('tokens.weight')!;
  return rows.map((x) => {
    const last = norm(x, 'finalNorm');
    return Array.from({ length: head.shape[0]! }, (_, o) => last.reduce((sum, value, i) => sum + value * head.data[o * C + i]!, 0));
  });
}

describe('describeHuggingFaceConfig', () => {
  test('gpt2', () => {
    expect(describeHuggingFaceConfig(config('gpt2'))).toEqual({
      family: 'gpt2', vocabulary: 61, width: 32, depth: 2, context: 24,
      attention: { heads: 4, kvHeads: 4, headWidth: 8, bias: true },
      feedForward: { type: 'mlp', width: 128, activation: 'geluTanh', bias: true },
      norm: { type: 'layer', epsilon: 1e-5 }, positional: { type: 'learned' }, tiedHead: true,
      dropout: { embedding: 0, attention: 0, residual: 0 }, initializerRange: 0.02,
    });
  });

  test('llama', () => {
    expect(describeHuggingFaceConfig(config('llama'))).toEqual({
      family: 'llama', vocabulary: 61, width: 32, depth: 2, context: 24,
      attention: { heads: 4, kvHeads: 2, headWidth: 8, bias: false },
      feedForward: { type: 'gated', width: 72, activation: 'silu', bias: false },
      norm: { type: 'rms', epsilon: 1e-6 }, positional: { type: 'rotary', base: 10000, layout: 'halfSplit' }, tiedHead: false,
      dropout: { embedding: 0, attention: 0, residual: 0 }, initializerRange: 0.02,
    });
  });

  test('older Llama files keep the rotary base at the top', () => {
    const { rope_parameters: _, ...old } = config('llama');
    expect(describeHuggingFaceConfig({ ...old, rope_theta: 5e5, rope_scaling: null }).positional).toEqual({ type: 'rotary', base: 5e5, layout: 'halfSplit' });
  });

  test.each<[string, Json, string]>([
    ['gpt2', { model_type: 'bert' }, 'model_type must be gpt2 or llama, got "bert"'],
    ['gpt2', { attention_sinks: 4 }, 'attention_sinks is unknown for gpt2 and may change what the model computes'],
    ['gpt2', { num_key_value_heads: 2 }, 'num_key_value_heads is unknown for gpt2'],
    ['gpt2', { scale_attn_by_inverse_layer_idx: true }, 'scale_attn_by_inverse_layer_idx must be false, got true'],
    ['gpt2', { activation_function: 'tanh' }, 'activation_function must be "gelu" or "gelu_new"'],
    ['gpt2', { activation_function: 'constructor' }, 'got "constructor"'],
    ['gpt2', { n_head: 5 }, 'n_head must divide n_embd (32), got 5'],
    ['gpt2', { n_layer: '2' }, 'n_layer must be a whole number from 1, got "2"'],
    ['gpt2', { is_encoder_decoder: true }, 'is_encoder_decoder must be false'],
    ['llama', { num_key_value_heads: 3 }, 'num_key_value_heads must divide num_attention_heads (4), got 3'],
    ['llama', { rope_parameters: { rope_type: 'yarn', factor: 4 } }, 'rope_parameters.rope_type must be "default", got "yarn"'],
    ['llama', { rope_parameters: { rope_type: 'default', rope_theta: 1e4, factor: 4 } }, 'rope_parameters.factor is unknown for llama'],
    ['llama', { rope_scaling: { type: 'linear', factor: 2 } }, 'rope_scaling must be null'],
    ['llama', { sliding_window: 128 }, 'sliding_window is unknown for llama'],
    ['llama', { rms_norm_eps: 'small' }, 'rms_norm_eps must be a number from 0, got "small"'],
  ])('%s with %j is refused', (family, change, message) => {
    expect(() => describeHuggingFaceConfig({ ...config(family), ...change })).toThrow(HuggingFaceConfigError);
    expect(() => describeHuggingFaceConfig({ ...config(family), ...change })).toThrow(message);
  });
});

describe('huggingFaceWeights', () => {
  const described = (family: string) => describeHuggingFaceConfig(config(family));

  test.each(['gpt2', 'llama'])('%s: shapes are those of the table, and gradients read the same way', (family) => {
    const weights = huggingFaceWeights(described(family), files(modelTensors(family)));
    for (const { role, shape } of tensorSources(described(family))) {
      expect(weights.get(role)!.shape).toEqual(shape);
      expect(weights.get(role)!.data.length).toBe(shape.reduce((a, b) => a * b, 1));
    }
    const reference = readSafetensors(readFileSync(fixture(`${family}/ref.safetensors`))).tensors;
    expect([...huggingFaceWeights(described(family), files(reference), 'grad.').keys()]).toEqual([...weights.keys()]);
  });

  test('names without the prefix, computed buffers and a repeated tied head are understood', () => {
    const bare = new Map([...modelTensors('gpt2')].map(([name, tensor]) => [name.replace('transformer.', ''), tensor]));
    bare.set('h.0.attn.bias', { dtype: 'bool', shape: [1], data: Uint32Array.of(1) });
    bare.set('lm_head.weight', bare.get('wte.weight')!);
    expect(huggingFaceWeights(described('gpt2'), files(bare))).toEqual(huggingFaceWeights(described('gpt2'), files(modelTensors('gpt2'))));
    bare.set('lm_head.weight', { ...bare.get('wte.weight')!, data: bare.get('wte.weight')!.data.map((value, i) => (i === 9 ? value + 1 : value)) });
    expect(() => huggingFaceWeights(described('gpt2'), files(bare))).toThrow('"lm_head.weight": config.json ties it to the token embedding, and it differs');
  });

  test.each<[string, (tensors: Map<string, HostTensor>) => void, string]>([
    ['a missing tensor', (all) => all.delete('model.layers.1.mlp.up_proj.weight'), `"model.layers.1.mlp.up_proj.weight": it is missing; it is the model's layers.1.feedForward.up.weight`],
    ['a wrong shape', (all) => all.set('model.norm.weight', { dtype: 'f32', shape: [31], data: new Float32Array(31) }), 'its shape must be [32] by config.json, got [31]'],
    ['a stranger', (all) => all.set('model.layers.2.mlp.up_proj.weight', { dtype: 'f32', shape: [1], data: new Float32Array(1) }), '"model.layers.2.mlp.up_proj.weight": the model that config.json describes has no place for it'],
    ['integers', (all) => all.set('model.norm.weight', { dtype: 'i32', shape: [32], data: new Int32Array(32) }), 'it must hold floats, got i32'],
  ])('%s is refused', (_, change, message) => {
    const tensors = new Map(modelTensors('llama'));
    change(tensors);
    expect(() => huggingFaceWeights(described('llama'), files(tensors))).toThrow(message);
  });

  test('half-precision weights become f32', () => {
    const tensors = new Map(modelTensors('llama'));
    tensors.set('model.norm.weight', { dtype: 'f16', shape: [32], data: new Uint16Array(32).fill(0x3e00) });
    expect([...huggingFaceWeights(described('llama'), files(tensors)).get('finalNorm.weight')!.data]).toEqual(Array.from({ length: 32 }, () => 1.5));
  });

  const real = new URL('../../../../shared/data/stories260K/', import.meta.url);
  test('a published Llama model is understood', (context) => {
    if (!existsSync(real)) return context.skip('../shared/data/stories260K is not here');
    const description = describeHuggingFaceConfig(JSON.parse(readFileSync(new URL('config.json', real), 'utf8')));
    const { tensors } = readSafetensors(readFileSync(new URL('model.safetensors', real)));
    const weights = huggingFaceWeights(description, files(tensors));
    expect([...weights.values()].reduce((sum, { data }) => sum + data.length, 0)).toBe(260_032);
  });
});

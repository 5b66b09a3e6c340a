import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { build, type DecoderConfigInput } from '@ashlar/models';
import { tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { HuggingFaceConfigError, huggingFaceFiles, modelFromHuggingFace, readHuggingFaceConfig, readSafetensors, type HostTensor, type TensorFiles } from './index.js';

type Json = Record<string, unknown>;
const fixture = (path: string) => readFileSync(new URL(`../fixtures/${path}`, import.meta.url));
const config = (name: string) => JSON.parse(fixture(`${name}/config.json`).toString()) as Json;
const tensorsOf = (name: string) => new Map(readSafetensors(fixture(`${name}/model.safetensors`)).tensors);
const files = (tensors: ReadonlyMap<string, HostTensor>): TensorFiles => ({ name: 'model.safetensors', tensors, read: (name) => tensors.get(name)! });
/** The Llama of the fixtures as the config of another family. */
const asFamily = (model_type: string, changes: Json = {}): Json => {
  const { pretraining_tp: _, mlp_bias: __, attention_bias: ___, ...rest } = config('llama');
  return { ...rest, model_type, ...changes };
};

describe('config.json', () => {
  test('of gpt2', () => {
    expect(readHuggingFaceConfig(config('gpt2'))).toMatchObject({
      specialTokens: { begin: 0, end: 1 },
      config: {
        modelType: 'decoder', vocabulary: 61, width: 32, depth: 2, maxLength: 24, attention: { type: 'multiHead', heads: 4, bias: true }, positional: 'learned',
        norm: { type: 'layerNorm', epsilon: 1e-5, bias: true }, feedForward: { type: 'mlp', hidden: 128, activation: 'geluTanh', bias: true }, tiedHead: true,
      },
    });
  });

  test('of llama', () => {
    expect(readHuggingFaceConfig(config('llama')).config).toMatchObject({
      vocabulary: 61, width: 32, depth: 2, maxLength: 24, attention: { type: 'grouped', heads: 4, kvHeads: 2, bias: false }, positional: { type: 'rotary', base: 10000, layout: 'halfSplit' },
      norm: { type: 'rmsNorm', epsilon: 1e-6 }, feedForward: { type: 'swiglu', hidden: 72, bias: false }, tiedHead: false,
    });
  });

  const { rope_parameters: _, ...older } = config('llama');
  test.each<[string, Json, object]>([
    ['older files keep the rotary base at the top', { ...older, rope_theta: 5e5, rope_scaling: null }, { base: 5e5 }],
    ['linear', { ...older, rope_scaling: { type: 'linear', factor: 2 } }, { base: 10000, scaling: { type: 'linear', factor: 2 } }],
    ['llama3', { ...older, rope_parameters: { rope_type: 'llama3', rope_theta: 5e5, factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 } }, { base: 5e5, scaling: { type: 'llama3', factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalLength: 8192 } }],
    ['yarn', { ...older, rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 6, attention_factor: 1.1 } }, { scaling: { type: 'yarn', factor: 4, originalLength: 6, attentionFactor: 1.1, fastTurns: 32, slowTurns: 1 } }],
    ['yarn of the whole context', { ...older, rope_scaling: { rope_type: 'yarn', factor: 4 } }, { scaling: { type: 'yarn', factor: 4, originalLength: 24 } }],
  ])('rotary angles: %s', async (__, json, positional) => {
    const described = readHuggingFaceConfig(json).config, model = build(described, { seed: 'none' });
    expect(described.positional).toMatchObject(positional);
    const again = await huggingFaceFiles({ config: described, model });
    expect(readHuggingFaceConfig(again.json).config).toEqual(described);
  });

  test.each<[string, Json, object]>([
    ['mistral', { sliding_window: 8 }, { mask: { type: 'slidingWindow', windowKeys: 8 }, bias: false }],
    ['mistral', {}, { mask: { type: 'slidingWindow', windowKeys: 4096 } }],
    ['mistral', { sliding_window: null, rope_parameters: { rope_theta: 1e6 } }, { bias: false }],
    ['qwen2', { sliding_window: 8, max_window_layers: 1 }, { bias: true, outputBias: false }],
    ['qwen3', { layer_types: ['full_attention', 'full_attention'] }, { bias: false, queryKeyNorm: 'perHead', normEpsilon: 1e-6, headWidth: undefined }],
    ['qwen3', { head_dim: 16, attention_bias: true, tie_word_embeddings: true }, { bias: true, headWidth: 16 }],
  ])('%s with %j', async (family, changes, attention) => {
    const { config: described, family: { name } } = readHuggingFaceConfig(asFamily(family, changes)), model = build(described, { seed: 'none' });
    expect(name).toBe(family);
    expect(described.attention).toMatchObject(Object.fromEntries(Object.entries(attention).filter(([, value]) => value !== undefined)));
    for (const [key, value] of Object.entries(attention)) if (value === undefined) expect(described.attention).not.toHaveProperty(key);
    const again = await huggingFaceFiles({ config: described, model }, { family });
    expect(readHuggingFaceConfig(again.json).config).toEqual(described);
    expect(again.json).toMatchObject({ model_type: family, vocab_size: 61 });
  });

  test.each<[string, Json, string]>([
    ['gpt2', { model_type: 'opt' }, /model_type must be gpt2, llama, .*, got "opt"/.source],
    ['gpt2', { attention_sinks: 4 }, 'attention_sinks is unknown for gpt2 and may change what the model computes'],
    ['gpt2', { num_key_value_heads: 2 }, 'num_key_value_heads is unknown for gpt2'],
    ['gpt2', { scale_attn_by_inverse_layer_idx: true }, 'scale_attn_by_inverse_layer_idx must be false, got true'],
    ['gpt2', { activation_function: 'tanh' }, 'activation_function must be "gelu" or "gelu_new"'],
    ['gpt2', { activation_function: 'constructor' }, 'got "constructor"'],
    ['gpt2', { n_head: 5 }, String.raw`n_head must divide n_embd \(32\), got 5`],
    ['gpt2', { n_layer: '2' }, 'n_layer must be a whole number from 1, got "2"'],
    ['gpt2', { n_layer: [2, 3] }, 'n_layer must be a whole number from 1, got a list of 2'],
    ['gpt2', { is_encoder_decoder: true }, 'is_encoder_decoder must be false'],
    ['gpt2', { bos_token_id: 'first' }, 'bos_token_id must be the number of a token, got "first"'],
    ['gpt2', { quantization_config: { bits: 4 } }, 'quantization_config is unknown for gpt2'],
    ['llama', { num_key_value_heads: 3 }, String.raw`num_key_value_heads must divide num_attention_heads \(4\), got 3`],
    ['llama', { rope_parameters: { rope_type: 'dynamic', factor: 4 } }, 'rope_parameters.rope_type must be "default" or "linear" or "llama3" or "yarn", got "dynamic"'],
    ['llama', { rope_parameters: { rope_type: 'default', rope_theta: 1e4, factor: 4 } }, 'rope_parameters.factor is unknown for llama'],
    ['llama', { rope_parameters: { rope_type: 'yarn', factor: 4, mscale: 1 } }, 'rope_parameters.mscale is unknown for llama'],
    ['llama', { rope_parameters: { rope_type: 'linear' } }, 'rope_parameters.factor must be a number from 0'],
    ['llama', { rope_parameters: 7 }, 'rope_parameters must be an object, got 7'],
    ['llama', { rope_scaling: { type: 'linear', factor: 2 } }, 'rope_scaling must be null'],
    ['llama', { sliding_window: 128 }, 'sliding_window is unknown for llama'],
    ['llama', { rms_norm_eps: 'small' }, 'rms_norm_eps must be a number from 0, got "small"'],
    ['llama', asFamily('qwen2', { use_sliding_window: true }), 'use_sliding_window must be false, got true'],
    ['llama', asFamily('qwen3', { layer_types: ['full_attention', 'sliding_attention'] }), 'layer_types must be a list of "full_attention", got a list of 2'],
    ['llama', asFamily('mistral', { sliding_window: 0 }), 'sliding_window must be a whole number from 1, got 0'],
  ])('%s with %j is refused', (name, change, message) => {
    expect(() => readHuggingFaceConfig({ ...config(name), ...change })).toThrow(HuggingFaceConfigError);
    expect(() => readHuggingFaceConfig({ ...config(name), ...change })).toThrow(new RegExp(message));
  });

  test.each([null, 7, 'gpt2', ['gpt2']])('%j is refused', (json) => {
    expect(() => readHuggingFaceConfig(json)).toThrow('config.json: must be an object');
  });
});

describe('tensors', () => {
  const load = (name: string, tensors: Map<string, HostTensor>) => modelFromHuggingFace(config(name), files(tensors));
  const f32 = (data: Float32Array): HostTensor => ({ dtype: 'f32', shape: [data.length], data });

  test('names without the prefix, computed buffers and a repeated tied head are understood', async () => {
    const bare = new Map([...tensorsOf('gpt2')].map(([name, value]) => [name.replace('transformer.', ''), value]));
    bare.set('h.0.attn.bias', { dtype: 'bool', shape: [1], data: Uint32Array.of(1) });
    bare.set('lm_head.weight', bare.get('wte.weight')!);
    const [one, other] = [load('gpt2', bare), load('gpt2', tensorsOf('gpt2'))].map(({ model }) => model.namedParameters());
    for (const [name, parameter] of one!) expect(await parameter.read()).toEqual(await other!.get(name)!.read());
    bare.set('lm_head.weight', { ...bare.get('wte.weight')!, data: bare.get('wte.weight')!.data.map((value, i) => (i === 9 ? value + 1 : value)) });
    expect(() => load('gpt2', bare)).toThrow('"lm_head.weight": the config ties it to transformer.wte.weight, and it differs from that');
  });

  test.each<[string, (tensors: Map<string, HostTensor>) => void, string]>([
    ['a missing tensor', (all) => all.delete('model.layers.1.mlp.up_proj.weight'), `"model.layers.1.mlp.up_proj.weight": it is missing; it is the model's layers.1.feedForward.up.weight`],
    ['a wrong shape', (all) => all.set('model.norm.weight', f32(new Float32Array(31))), 'its shape must be [32] by the model\'s config, got [31]'],
    ['a stranger', (all) => all.set('model.layers.2.mlp.up_proj.weight', f32(new Float32Array(1))), '"model.layers.2.mlp.up_proj.weight": the model has no place for it'],
    ['integers', (all) => all.set('model.norm.weight', { dtype: 'i32', shape: [32], data: new Int32Array(32) }), 'it must hold floats, got i32'],
  ])('%s is refused', (_, change, message) => {
    const tensors = tensorsOf('llama');
    change(tensors);
    expect(() => load('llama', tensors)).toThrow(message);
  });
});

describe('a Llama under other names gives the logits that PyTorch recorded', () => {
  const recorded = readSafetensors(fixture('llama/ref.safetensors')).tensors, ids = recorded.get('input_ids')!, mask = recorded.get('attention_mask')!, expected = recorded.get('logits')!;
  const zeros = (size: number): HostTensor => ({ dtype: 'f32', shape: [size], data: new Float32Array(size) });
  test.each<[string, Json, (tensors: Map<string, HostTensor>) => void]>([
    ['mistral', { sliding_window: 10 }, () => {}],
    ['qwen2', {}, (all) => {
      for (const layer of [0, 1]) for (const [part, size] of [['q', 32], ['k', 16], ['v', 16]] as const) all.set(`model.layers.${layer}.self_attn.${part}_proj.bias`, zeros(size));
    }],
  ])('%s', async (family, changes, change) => {
    const tensors = tensorsOf('llama');
    change(tensors);
    const { model } = modelFromHuggingFace(asFamily(family, changes), files(tensors), { modelType: 'decoder' });
    const logits = await model.logits(tensor(ids.data as Int32Array, { shape: ids.shape }))
      .data(reference()) as Float32Array;
    const worst = logits.reduce((most, value, i) => (mask.data[Math.floor(i / 61)] === 1 ? Math.max(most, Math.abs(value - expected.data[i]!)) : most), 0);
    expect(worst).toBeLessThan(2e-5);
  });
});

describe('models of ours', () => {
  const llama: DecoderConfigInput = {
    modelType: 'decoder', vocabulary: 11, width: 16, depth: 2, maxLength: 8, attention: { type: 'multiHead', heads: 2 }, positional: 'rotary', norm: 'rmsNorm', feedForward: 'swiglu', dropout: 0.1,
  };
  const gpt: DecoderConfigInput = { ...llama, bias: true, positional: 'learned', norm: 'layerNorm', feedForward: { type: 'mlp', activation: 'reluSquared' } };
  const write = (config: DecoderConfigInput, family?: string) => huggingFaceFiles({ config, model: build(config) }, family === undefined ? {} : { family });

  test('find their family; queries, keys and values in one matrix come apart', async () => {
    const { json, tensors, family } = await write(llama);
    expect([family, json.model_type, json.num_key_value_heads, json.intermediate_size, json.tie_word_embeddings, json.attention_dropout]).toEqual(['llama', 'llama', 2, 48, true, 0.1]);
    const qkv = await build(llama).namedParameters().get('layers.1.attention.qkv.weight')!.read();
    expect(tensors.get('model.layers.1.self_attn.k_proj.weight')).toEqual({ dtype: 'f32', shape: [16, 16], data: qkv.slice(256, 512) });
    const { model } = modelFromHuggingFace(json, files(tensors), { modelType: 'decoder' }), tokens = tensor(Int32Array.of(1, 5, 7, 2), { shape: [1, 4] });
    const [ours, theirs] = [await build(llama).logits(tokens).data(reference()), await model.logits(tokens).data(reference())];
    expect(theirs).toEqual(ours);
    expect((await write(gpt)).json).toMatchObject({ model_type: 'gpt2', n_inner: 64, activation_function: 'relu2' });
    expect((await write(llama, 'mistral')).json).toMatchObject({ model_type: 'mistral', sliding_window: null });
    expect((await write({ ...llama, attention: { type: 'multiHead', heads: 2, mask: { type: 'slidingWindow', windowKeys: 3 } } })).json).toMatchObject({ model_type: 'mistral', sliding_window: 3 });
    expect((await write({ ...llama, attention: { type: 'grouped', heads: 2, kvHeads: 1, queryKeyNorm: 'perHead' } })).json).toMatchObject({ model_type: 'qwen3' });
  });

  test.each<[string, DecoderConfigInput, string | undefined, string]>([
    ['a norm with another gain', { ...llama, norm: { type: 'rmsNorm', gain: 'onePlus' } }, 'llama', 'as llama: norm.gain must be "plain", got "onePlus"'],
    ['a part that the family has not', { ...llama, residual: 'sandwichNorm' }, 'llama', 'as llama: residual.type must be "preNorm", got "sandwichNorm"'],
    ['an option that the family has not', { ...llama, attention: { type: 'multiHead', heads: 2, sinks: true } }, 'llama', 'as llama: attention.sinks is unknown for llama and may change what the model computes'],
    ['interleaved pairs', { ...llama, positional: { type: 'rotary', layout: 'interleaved' } }, 'llama', 'as llama: positional.layout must be "halfSplit", got "interleaved"'],
    ['no bias where there must be', { ...gpt, bias: false }, 'gpt2', 'as gpt2: attention.bias must be true, got false'],
    ['no longest sequence', { ...llama, maxLength: undefined }, 'llama', 'as llama: maxLength must be given'],
    ['an unknown family', llama, 'gemma', 'family must be gpt2, llama, mistral, qwen2, qwen3, bert, roberta, distilbert, t5, bart, got "gemma"'],
    ['a model that none has', { ...llama, positional: 'alibi' }, undefined, 'no family of Hugging Face has this model:\nas gpt2: positional.type must be "learned", got "alibi"\nas llama: positional.type must be "rotary", got "alibi"\n'],
  ])('%s is refused', async (_, config, family, message) => {
    await expect(write(config, family)).rejects.toThrow(message);
  });
});

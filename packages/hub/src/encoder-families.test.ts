import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { build, type EncoderConfigInput, type EncoderDecoderConfigInput, type ModelConfigInput } from '@ashlar/models';
import { tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { huggingFaceFiles, modelFromHuggingFace, readHuggingFaceConfig, readSafetensors, type HostTensor, type TensorFiles } from './index.js';

type Json = Record<string, unknown>;
type Tensors = Map<string, HostTensor>;
const fixture = (path: string) => readFileSync(new URL(`../fixtures/${path}`, import.meta.url));
const config = (name: string) => JSON.parse(fixture(`${name}/config.json`).toString()) as Json;
const tensorsOf = (name: string): Tensors => new Map(readSafetensors(fixture(`${name}/model.safetensors`)).tensors);
const files = (tensors: ReadonlyMap<string, HostTensor>): TensorFiles => ({ name: 'model.safetensors', tensors, read: (name) => tensors.get(name)! });
const f32 = (shape: number[], data: Float32Array): HostTensor => ({ dtype: 'f32', shape, data });
const random = (...shape: number[]): HostTensor => f32(shape, Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 12.9898 + shape.length) * 0.1));
const renamed = (tensors: Tensors, names: readonly (readonly [string | RegExp, string])[]): Tensors => new Map([...tensors].map(([name, value]) => [names.reduce((old, [from, to]) => old.replace(from, to), name), value]));
const table = (tensors: Tensors, name: string) => tensors.get(name)!.data as Float32Array;

describe('BERT under other names gives the logits that PyTorch recorded', () => {
  const recorded = readSafetensors(fixture('bert/ref.safetensors')).tensors, ids = recorded.get('input_ids')!, mask = recorded.get('attention_mask')!, expected = recorded.get('logits')!;
  const worstOf = async (json: Json, tensors: Tensors): Promise<number> => {
    const { model } = modelFromHuggingFace(json, files(tensors), { modelType: 'encoder' }), padding = tensor(mask.data as Int32Array, { shape: mask.shape }).eq(0);
    const logits = await model.logits(tensor(ids.data as Int32Array, { shape: ids.shape }), { padding }).data(reference()) as Float32Array;
    return logits.reduce((most, value, i) => (mask.data[Math.floor(i / 61)] === 1 ? Math.max(most, Math.abs(value - expected.data[i]!)) : most), 0);
  };

  test('RoBERTa: positions begin behind that of padding', async () => {
    const tensors = renamed(tensorsOf('bert'), [[/^bert\./, 'roberta.'], ['cls.predictions.transform.dense', 'lm_head.dense'], ['cls.predictions.transform.LayerNorm', 'lm_head.layer_norm'], ['cls.predictions.bias', 'lm_head.bias']]);
    const positions = table(tensors, 'roberta.embeddings.position_embeddings.weight'), longer = new Float32Array(26 * 32).fill(9);
    longer.set(positions, 2 * 32);
    tensors.set('roberta.embeddings.position_embeddings.weight', f32([26, 32], longer));
    tensors.set('lm_head.decoder.weight', tensors.get('roberta.embeddings.word_embeddings.weight')!);
    tensors.set('lm_head.decoder.bias', tensors.get('lm_head.bias')!);
    expect(await worstOf({ ...config('bert'), model_type: 'roberta', pad_token_id: 1, max_position_embeddings: 26 }, tensors)).toBeLessThan(2e-5);
  });

  test('DistilBERT: the first kind of tokens goes into the positions', async () => {
    const layer = 'distilbert.transformer.layer';
    const tensors = renamed(tensorsOf('bert'), [
      [/^bert\.encoder\.layer/, layer], [/^bert\./, 'distilbert.'], [/attention\.self\.(q|k|v)[a-z]+/, 'attention.$1_lin'], ['attention.output.dense', 'attention.out_lin'], ['attention.output.LayerNorm', 'sa_layer_norm'],
      ['intermediate.dense', 'ffn.lin1'], ['output.dense', 'ffn.lin2'], ['output.LayerNorm', 'output_layer_norm'], ['cls.predictions.transform.dense', 'vocab_transform'], ['cls.predictions.transform.LayerNorm', 'vocab_layer_norm'], ['cls.predictions.bias', 'vocab_projector.bias'],
    ]);
    const kinds = table(tensors, 'distilbert.embeddings.token_type_embeddings.weight'), positions = table(tensors, 'distilbert.embeddings.position_embeddings.weight');
    tensors.set('distilbert.embeddings.position_embeddings.weight', f32([24, 32], positions.map((value, i) => value + kinds[i % 32]!)));
    tensors.delete('distilbert.embeddings.token_type_embeddings.weight');
    const json = { model_type: 'distilbert', vocab_size: 61, dim: 32, n_layers: 2, n_heads: 4, hidden_dim: 64, max_position_embeddings: 24, activation: 'gelu', dropout: 0, attention_dropout: 0, tie_weights_: true };
    expect(await worstOf(json, tensors)).toBeLessThan(2e-5);
  });

  test('names without the prefix, old names of norms, other heads and copies are understood', async () => {
    const old = renamed(tensorsOf('bert'), [[/LayerNorm\.weight$/, 'LayerNorm.gamma'], [/LayerNorm\.bias$/, 'LayerNorm.beta']]);
    old.set('bert.pooler.dense.weight', random(32, 32)).set('bert.pooler.dense.bias', random(32)).set('cls.seq_relationship.weight', random(2, 32)).set('bert.embeddings.position_ids', { dtype: 'i32', shape: [1, 24], data: new Int32Array(24) });
    old.set('cls.predictions.decoder.weight', old.get('bert.embeddings.word_embeddings.weight')!).set('cls.predictions.decoder.bias', old.get('cls.predictions.bias')!);
    expect(await worstOf(config('bert'), old)).toBeLessThan(2e-5);
    expect(modelFromHuggingFace(config('bert'), files(old)).unused).toEqual(['bert.pooler.dense.weight', 'bert.pooler.dense.bias', 'cls.seq_relationship.weight']);
    old.set('cls.predictions.decoder.bias', random(61));
    expect(() => modelFromHuggingFace(config('bert'), files(old))).toThrow('"cls.predictions.decoder.bias": the config ties it to cls.predictions.bias, and it differs from that');
    expect(await worstOf(config('bert'), renamed(tensorsOf('bert'), [[/^bert\./, '']]))).toBeLessThan(2e-5);
  });
});

describe('which head an encoder has, its tensors tell', () => {
  const headless = () => new Map([...tensorsOf('bert')].filter(([name]) => name.startsWith('bert.')));
  test.each<[string, (tensors: Tensors) => void, EncoderConfigInput['head']]>([
    ['none', () => {}, undefined],
    ['classes of texts', (all) => all.set('bert.pooler.dense.weight', random(32, 32)).set('bert.pooler.dense.bias', random(32)).set('classifier.weight', random(5, 32)).set('classifier.bias', random(5)), { type: 'classes', classes: 5, transform: { activation: 'tanh' }, dropout: 0 }],
    ['classes of tokens', (all) => all.set('classifier.weight', random(5, 32)).set('classifier.bias', random(5)), { type: 'tokenClasses', classes: 5, dropout: 0 }],
  ])('%s', async (_, change, head) => {
    const tensors = headless();
    change(tensors);
    const loaded = modelFromHuggingFace(config('bert'), files(tensors), { modelType: 'encoder' }), again = await huggingFaceFiles(loaded);
    expect(loaded.config.head).toEqual(head);
    expect([...again.tensors.keys()].sort()).toEqual([...tensors.keys()].sort());
    expect(again.json).toMatchObject(head ? { id2label: { 4: 'LABEL_4' } } : { architectures: ['BertModel'] });
  });
});

describe('names of classes', () => {
  const classifier = (change: Json = {}) => modelFromHuggingFace({ ...config('bert_cls'), ...change }, files(tensorsOf('bert_cls')));
  test('come with the model and go out with it', async () => {
    const id2label = { 0: 'sad', 1: 'glad', 2: 'mad' }, loaded = classifier({ id2label });
    expect(loaded.labels).toEqual(['sad', 'glad', 'mad']);
    expect((await huggingFaceFiles(loaded)).json).toMatchObject({ id2label, label2id: { sad: 0, glad: 1, mad: 2 }, problem_type: 'single_label_classification' });
    const { labels: _, ...unnamed } = loaded;
    expect((await huggingFaceFiles(unnamed)).json).toMatchObject({ id2label: { 0: 'LABEL_0', 1: 'LABEL_1', 2: 'LABEL_2' } });
    await expect(huggingFaceFiles({ ...unnamed, labels: ['sad'] })).rejects.toThrow('labels: each of the 3 classes needs one, got 1');
    expect(modelFromHuggingFace({ ...config('bert'), id2label }, files(tensorsOf('bert')))).not.toHaveProperty('labels');
  });
  test.each<[Json, string]>([
    [{ id2label: { 0: 'sad', 1: 'glad' } }, 'id2label must be a name for each number from 0 to 2, as its head has 3 rows, got an object of 0, 1'],
    [{ id2label: { 0: 'sad', 1: 'glad', 3: 'mad' } }, 'id2label must be'],
    [{ id2label: { 0: 'sad', 1: 'glad', 2: 7 } }, 'id2label must be'],
    [{ id2label: 'abc' }, 'id2label must be'],
    [{ problem_type: 'multi_label_classification' }, 'problem_type must be null or "single_label_classification", got "multi_label_classification"'],
  ])('%j is refused', (change, message) => {
    expect(() => classifier(change)).toThrow(message);
  });
});

const small: EncoderConfigInput = {
  modelType: 'encoder', vocabulary: 11, width: 16, depth: 2, maxLength: 8, bias: true, embeddingNorm: true, attention: { type: 'multiHead', heads: 2 }, positional: 'learned', norm: { type: 'layerNorm', epsilon: 1e-12 }, residual: 'postNorm', feedForward: 'mlp',
};
const pair: EncoderDecoderConfigInput = {
  modelType: 'encoderDecoder', vocabulary: 11, width: 16, depth: 1, attention: { type: 'multiHead', heads: 2, scale: 1 }, crossAttention: { type: 'cross', heads: 2, scale: 1 }, positional: 't5Bias', norm: 'rmsNorm', feedForward: { type: 'mlp', activation: 'relu' }, logitScale: 0.25,
};
const twin: EncoderDecoderConfigInput = {
  ...pair, maxLength: 8, bias: true, attention: { type: 'grouped', heads: 4, kvHeads: 4 }, crossAttention: { type: 'cross', heads: 4 }, positional: { type: 'learned', offset: 2 }, norm: 'layerNorm', residual: 'postNorm', embeddingNorm: true, feedForward: 'mlp', logitScale: undefined, encoder: { depth: 2, attention: { type: 'multiHead', heads: 2 }, feedForward: { type: 'mlp', hidden: 24 } },
};
const language = { type: 'language', transform: { activation: 'gelu', norm: true }, headBias: true } as const;

describe('models of ours', () => {
  test.each<[string, ModelConfigInput, Json]>([
    ['bert', { ...small, tokenTypes: 2, head: language }, { architectures: ['BertForMaskedLM'], intermediate_size: 64 }],
    ['roberta', { ...small, tokenTypes: 1, positional: { type: 'learned', offset: 2 }, norm: 'layerNorm', head: language }, { max_position_embeddings: 10, pad_token_id: 1, layer_norm_eps: 1e-5, architectures: ['RobertaForMaskedLM'] }],
    ['roberta', { ...small, tokenTypes: 1, positional: { type: 'learned', offset: 2 }, head: { type: 'classes', classes: 3, transform: { activation: 'tanh' }, dropout: 0.3 } }, { classifier_dropout: 0.3, id2label: { 0: 'LABEL_0', 1: 'LABEL_1', 2: 'LABEL_2' } }],
    ['distilbert', { ...small, head: { ...language, tiedHead: false } }, { dim: 16, tie_word_embeddings: false, sinusoidal_pos_embds: false }],
    ['distilbert', { ...small, head: { type: 'classes', classes: 3, transform: { activation: 'relu' }, dropout: 0.1 } }, { seq_classif_dropout: 0.1 }],
    ['t5', pair, { d_kv: 8, feed_forward_proj: 'relu', num_decoder_layers: 1, d_ff: 64 }],
    ['t5', { ...pair, feedForward: 'gegluTanh', tiedHead: false, logitScale: undefined, decoder: { depth: 3 } }, { feed_forward_proj: 'gated-gelu', tie_word_embeddings: false, num_decoder_layers: 3 }],
    ['t5', { ...pair, feedForward: 'swiglu' }, { feed_forward_proj: 'gated-silu' }],
    ['bart', twin, { encoder_layers: 2, decoder_layers: 1, encoder_attention_heads: 2, decoder_attention_heads: 4, encoder_ffn_dim: 24, decoder_ffn_dim: 64, scale_embedding: false }],
    ['bart', { ...twin, embeddingScale: 4, headBias: 'fixed', tiedHead: false }, { scale_embedding: true, tie_word_embeddings: false }],
  ])('%s %#: found, written and read again, it computes the same', async (family, config_, json) => {
    const model = build(config_, { seed: 3 }), files_ = await huggingFaceFiles({ config: config_, model });
    expect(files_.family).toBe(family);
    expect(files_.json).toMatchObject(json);
    const again = modelFromHuggingFace(files_.json, files(files_.tensors)), tokens = tensor(Int32Array.of(1, 5, 7, 2, 0, 3, 3, 10), { shape: [2, 4] });
    expect(again.family).toBe(family);
    const logitsOf = (one: typeof model) => ('states' in one ? one.logits(tokens) : 'encoder' in one ? one.logits(tokens, tokens) : one.logits(tokens)).data(reference());
    const [ours, theirs] = [await logitsOf(model), await logitsOf(again.model)];
    expect(Math.max(...ours.map((value, i) => Math.abs(value - theirs[i]!)))).toBeLessThan(1e-6);
    expect((await huggingFaceFiles(again)).json).toEqual(files_.json);
  });

  test.each<[string, ModelConfigInput, string, string]>([
    ['kinds of tokens', { ...small, tokenTypes: 2 }, 'distilbert', 'as distilbert: tokenTypes is unknown for distilbert'],
    ['another ε', { ...small, norm: 'layerNorm' }, 'distilbert', 'as distilbert: norm.epsilon must be 1e-12, got 0.00001'],
    ['no place for padding', { ...small, tokenTypes: 1 }, 'roberta', 'as roberta: positional.offset must be a whole number from 1'],
    ['pre-norm', { ...small, tokenTypes: 2, residual: 'preNorm' }, 'bert', 'as bert: residual.type must be "postNorm", got "preNorm"'],
    ['another type', pair, 'bert', 'as bert: modelType must be "encoder", got "encoderDecoder"'],
    ['another scale of the logits', { ...pair, logitScale: 1 }, 't5', 'as t5: logitScale must be 0.25, as T5 scales the logits of a tied head, got 1'],
    ['scaled scores', { ...pair, crossAttention: { type: 'cross', heads: 2 } }, 't5', 'as t5: crossAttention.scale must be 1, got 0.35355339059327373'],
    ['stacks that differ', { ...pair, decoder: { norm: { type: 'rmsNorm', epsilon: 1e-5 } } }, 't5', 'as t5: decoder.norm.epsilon must be as in the encoder, 0.000001, got 0.00001'],
    ['tables of their own', { ...twin, sharedEmbedding: false }, 'bart', 'as bart: sharedEmbedding must be true, got false'],
    ['a learned bias of the logits', { ...twin, headBias: true }, 'bart', 'as bart: headBias must be "fixed" or false, got true'],
  ])('%s is refused', async (_, config_, family, message) => {
    await expect(huggingFaceFiles({ config: config_, model: build(config_, { seed: 'none' }) }, { family })).rejects.toThrow(message);
  });
});

test.each<[string, Json, string]>([
  ['bert', { position_embedding_type: 'relative_key' }, 'position_embedding_type must be "absolute", got "relative_key"'],
  ['bert', { is_decoder: true }, 'is_decoder must be false, got true'],
  ['bert', { num_hidden_groups: 1 }, 'num_hidden_groups is unknown for bert'],
  ['bert', { model_type: 'roberta', pad_token_id: 30 }, 'max_position_embeddings must be a whole number from 32, as positions begin after 31 of its rows, got 24'],
  ['t5', { feed_forward_proj: 'gated-tanh' }, 'feed_forward_proj must be "gelu" or'],
  ['t5', { is_gated_act: true }, 'is_gated_act must be false, got true'],
  ['t5', { is_encoder_decoder: false }, 'is_encoder_decoder must be true, got false'],
  ['bart', { normalize_before: true }, 'normalize_before must be false, got true'],
  ['bart', { encoder_attention_heads: 0 }, 'encoder_attention_heads must be a whole number from 1, got 0'],
])('config.json of %s with %j is refused', (name, change, message) => {
  expect(() => readHuggingFaceConfig({ ...config(name), ...change })).toThrow(message);
});

test('a model of another type than asked for is refused', () => {
  expect(() => modelFromHuggingFace(config('bert'), files(tensorsOf('bert')), { modelType: 'decoder' })).toThrow('config.json: it must describe a model of type decoder, and bert is of type encoder');
});

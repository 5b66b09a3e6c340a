/** GGUF files as others read them: Hugging Face's parser and llama.cpp itself. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gguf } from '@huggingface/gguf';
import { getLlama, type Llama, type LlamaModel, type Token } from 'node-llama-cpp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { build, type Decoder, type DecoderConfigInput } from '@ashlar/models';
import { tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { byteTokenizer, characterTokenizer, huggingFaceTokenizer, textTokens, type Tokenizer } from '@ashlar/text';
import { loadGguf, loadHuggingFace, loadLlama2c, loadLlama2cTokenizer, saveGguf } from '../node.js';
import type { FloatStorage } from '../index.js';

const folder = mkdtempSync(join(tmpdir(), 'ashlar-gguf-')), fixtures = fileURLToPath(new URL('../../fixtures/', import.meta.url));
let llama: Llama;
beforeAll(async () => { llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, logLevel: 'error' as never, maxThreads: 1 }); });
afterAll(async () => {
  await llama.dispose();
  rmSync(folder, { recursive: true });
});

async function loaded<Result>(path: string, use: (model: LlamaModel) => Promise<Result>): Promise<Result> {
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
  try {
    return await use(model);
  } finally {
    await model.dispose();
  }
}

/** llama.cpp's probabilities of the token that follows each of these, [T][V], in f32: its fused attention would round to f16. */
async function probabilities(model: LlamaModel, tokens: readonly number[]): Promise<Map<number, number>[]> {
  const context = await model.createContext({ contextSize: 32, batchSize: 32, threads: 1, experimentalKvCacheKeyType: 'F32', experimentalKvCacheValueType: 'F32', flashAttention: false }), sequence = context.getSequence();
  const results = await sequence.controlledEvaluate(tokens.map((token) => [token as Token, { generateNext: { probabilities: true } }]));
  await context.dispose();
  return results.map((result) => result!.next.probabilities as unknown as Map<number, number>);
}

const tokens = [3, 17, 8, 8, 42, 60, 1, 5, 23, 11, 30, 2];

/** The greatest difference between llama.cpp's probabilities and ours. */
async function worstDifference(path: string, model: Decoder): Promise<number> {
  const theirs = await loaded(path, (one) => probabilities(one, tokens)), V = model.vocabulary;
  const logits = await model.logits(tensor(Int32Array.from(tokens), { shape: [1, tokens.length] })).softmax(-1).data(reference());
  expect(theirs.length).toBe(tokens.length);
  let worst = 0;
  theirs.forEach((row, t) => {
    expect(row.size).toBe(V);
    for (const [token, probability] of row) worst = Math.max(worst, Math.abs(probability - logits[t * V + token]!));
  });
  return worst;
}

const letters = characterTokenizer(Array.from({ length: 61 }, (_, i) => 0x41 + i));

describe('llama.cpp computes what we do', () => {
  const base: DecoderConfigInput = {
    modelType: 'decoder', vocabulary: 61, width: 32, depth: 2, maxLength: 32, attention: { type: 'grouped', heads: 4, kvHeads: 2 }, positional: { type: 'rotary', base: 1000 }, norm: { type: 'rmsNorm', epsilon: 1e-5 }, feedForward: { type: 'swiglu', hidden: 48 }, tiedHead: false, initialisation: { std: 0.4 },
  };
  const grouped = { type: 'grouped', heads: 4, kvHeads: 2 } as const;
  test.each<[string, DecoderConfigInput]>([
    ['llama, one matrix of queries, keys and values, a tied head', { ...base, attention: { type: 'multiHead', heads: 4 }, tiedHead: true }],
    ['llama with biases everywhere', { ...base, bias: true, norm: { type: 'rmsNorm', epsilon: 1e-5 } }],
    ['llama with heads of another width', { ...base, attention: { ...grouped, headWidth: 16 } }],
    ['llama, linear scaling', { ...base, positional: { type: 'rotary', scaling: { type: 'linear', factor: 4 } } }],
    ['llama, the scaling of Llama 3', { ...base, positional: { type: 'rotary', scaling: { type: 'llama3', factor: 8, originalLength: 16 } } }],
    ['llama, YaRN', { ...base, positional: { type: 'rotary', scaling: { type: 'yarn', factor: 4, originalLength: 8 } } }],
    ['mistral', { ...base, attention: { ...grouped, mask: { type: 'slidingWindow', windowKeys: 32 } } }],
    ['qwen2', { ...base, attention: { ...grouped, bias: true, outputBias: false } }],
    ['qwen3', { ...base, attention: { ...grouped, headWidth: 16, queryKeyNorm: 'perHead', normEpsilon: 1e-5 } }],
  ])('%s', async (name, config) => {
    const model = build(config, { seed: 5 }), path = join(folder, `${name.replaceAll(/\W+/g, '-')}.gguf`);
    // Biases and gains that are not what they begin as.
    for (const [key, parameter] of model.namedParameters()) if (parameter.shape.length === 1) parameter.write(Float32Array.from({ length: parameter.size }, (_, i) => (key.endsWith('bias') ? 0 : 1) + 0.3 * Math.sin(i * 1.7 + key.length)));
    await saveGguf(path, { config, model, tokenizer: letters });
    expect(await worstDifference(path, model)).toBeLessThan(2e-5);
    if (name.includes('Llama 3')) return expect(() => loadGguf(path)).toThrow('rope_freqs.weight, factors of the rotary angles, which are not read');
    const again = loadGguf(path), ids = tensor(Int32Array.from(tokens), { shape: [1, tokens.length] });
    expect(await again.model.logits(ids).data(reference())).toEqual(await model.logits(ids).data(reference()));
  });

  test.each<[FloatStorage, number]>([['f16', 5e-3], ['bf16', 5e-2]])('stored as %s', async (storage, tolerance) => {
    const model = build(base, { seed: 5 }), path = join(folder, `${storage}.gguf`);
    await saveGguf(path, { config: base, model, tokenizer: letters }, { storage });
    const worst = await worstDifference(path, model);
    expect(worst).toBeLessThan(tolerance);
    expect(worst).toBeGreaterThan(1e-5);
  });
});

test('Hugging Face\'s parser finds what was written', async () => {
  const path = join(folder, 'parsed.gguf'), { config, model } = loadHuggingFace(join(fixtures, 'llama'), { modelType: 'decoder' });
  await saveGguf(path, { config, model, tokenizer: letters }, { storage: 'f16', name: 'tiny' });
  const { metadata, tensorInfos } = await gguf(path, { allowLocalFile: true });
  expect(metadata).toMatchObject({
    version: 3, tensor_count: 21n, 'general.architecture': 'llama', 'general.name': 'tiny', 'general.file_type': 1, 'llama.block_count': 2, 'llama.context_length': 24, 'llama.embedding_length': 32, 'llama.feed_forward_length': 72,
    'llama.attention.head_count': 4, 'llama.attention.head_count_kv': 2, 'llama.attention.key_length': 8, 'llama.rope.freq_base': 10000, 'llama.attention.layer_norm_rms_epsilon': Math.fround(1e-6), 'llama.vocab_size': 61,
  });
  const infos = new Map(tensorInfos.map(({ name, shape, dtype }) => [name, [shape.map(Number), dtype]]));
  expect(infos.get('token_embd.weight')).toEqual([[32, 61], 1]);
  expect(infos.get('blk.1.attn_k.weight')).toEqual([[32, 16], 1]);
  expect(infos.get('blk.1.ffn_down.weight')).toEqual([[72, 32], 1]);
  expect(infos.get('output_norm.weight')).toEqual([[32], 0]);
});

describe('llama.cpp reads text as our tokenizers do', () => {
  const tiny = (vocabulary: number): DecoderConfigInput => ({ modelType: 'decoder', vocabulary, width: 32, depth: 1, maxLength: 32, attention: { type: 'grouped', heads: 4, kvHeads: 2 }, positional: 'rotary', norm: 'rmsNorm', feedForward: { type: 'swiglu', hidden: 32 } });
  /** Byte-level pairs with some merges, made here. */
  const merged = (pre: object): Tokenizer => {
    const characters = Array.from({ length: 256 }, (_, byte) => byte).map((byte, _, all) => {
      const printable = (one: number): boolean => (one > 32 && one < 127) || (one > 160 && one !== 173);
      return String.fromCharCode(printable(byte) ? byte : 256 + all.slice(0, byte).filter((one) => !printable(one)).length);
    });
    const merges = ['t h', 'th e', '\u0120 the', '1 2', '12 3', '123 4', "' s", '\u0120 \u0120', '\u010a \u010a', 'a \u010a', 'B C'];
    const vocab = Object.fromEntries([...characters, ...merges.map((merge) => merge.replace(' ', ''))].map((token, id) => [token, id]));
    return huggingFaceTokenizer({
      tokenizer: {
        version: '1.0', truncation: null, padding: null, added_tokens: [{ id: 267, content: '<|end|>', single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }], normalizer: null, pre_tokenizer: pre, post_processor: null, decoder: { type: 'ByteLevel' },
        model: { type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, vocab, merges },
      }, end: [267],
    });
  };
  const words = "The  the thesis' 12345 x\n\na\n it's IT'S naïve BC\n  the";
  const split = (digits: string): object => ({
    type: 'Sequence', pretokenizers: [
      { type: 'Split', pattern: { Regex: `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+` }, behavior: 'Isolated', invert: false },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
    ],
  });
  test.each<[string, Tokenizer, string]>([
    ['pairs, words as GPT-2', merged({ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }), words],
    ['pairs, words as Llama 3', merged(split('{1,3}')), words],
    ['pairs, words as Qwen 2', merged(split('')), words],
    ['bytes', byteTokenizer(), 'naïve\n\t “quotes” \\x41 🍌\u0000'],
    ['characters', characterTokenizer('naïve\n\t “quotes” \\x41 🍌'), 'naïve\n\t “quotes” \\x41 🍌'],
  ])('%s', async (name, tokenizer, text) => {
    const config = tiny(tokenizer.vocabularySize), path = join(folder, `${name.replaceAll(/\W+/g, '-')}.gguf`);
    await saveGguf(path, { config, model: build(config), tokenizer });
    await loaded(path, async (model) => {
      expect(model.tokenize(text)).toEqual([...textTokens(tokenizer, text)]);
      expect(model.detokenize(model.tokenize(text))).toBe(text);
    });
  });
});

const stories = fileURLToPath(new URL('../../../../../shared/data/stories260K/', import.meta.url));
test('stories260K: llama.cpp writes the same 200 tokens', async (context) => {
  if (!existsSync(stories)) return context.skip('../shared/data/stories260K is not here');
  const { config, model } = loadLlama2c(join(stories, 'stories260K.bin')), tokenizer = loadLlama2cTokenizer(join(stories, 'tok512.bin')), path = join(folder, 'stories.gguf');
  await saveGguf(path, { config, model, tokenizer });
  const again = loadGguf(path);
  for (const [name, parameter] of again.model.namedParameters()) expect(await parameter.read(), name).toEqual(await model.namedParameters().get(name)!.read());
  const story = readFileSync(join(stories, 'greedy-200.txt'), 'utf8').trimEnd();
  await loaded(path, async (one) => {
    expect([1, ...one.tokenize(story)]).toEqual([...textTokens(tokenizer, story)]);
    const sequence = (await one.createContext({ contextSize: 256, threads: 1 })).getSequence(), written: number[] = [];
    for await (const token of sequence.evaluate([1 as Token], { temperature: 0 })) if (written.push(token) === 200) break;
    expect(tokenizer.decode([1, ...written]).trimEnd()).toBe(story);
    expect(one.detokenize(written as Token[], true).trim()).toBe(story);
    expect(textTokens(again.tokenizer!, story)).toEqual(textTokens(tokenizer, story));
  });
});

/** GGUF files that are damaged or made to harm, and models that the format does not have. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { build, type DecoderConfigInput } from '@ashlar/models';
import { byteTokenizer, characterTokenizer, huggingFaceTokenizer } from '@ashlar/text';
import { GgufError, HuggingFaceConfigError, SafetensorsError, ggufChunks, ggufFile, ggufReader, modelFromGguf, type ByteSource, type GgufMetadata, type GgufValue, type WritableTensor } from '../index.js';

const joined = (chunks: Iterable<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat([...chunks]));
const source = (bytes: Uint8Array, count = { asked: 0 }): ByteSource => ({
  name: 'bad.gguf', bytes: bytes.length,
  read(start, into) {
    if (start < 0 || start + into.length > bytes.length) throw new Error(`read of ${into.length} bytes at ${start} leaves the file`);
    count.asked += into.length;
    into.set(bytes.subarray(start, start + into.length));
  },
});

const u = (value: number, bytes = 8): Buffer => { const out = Buffer.alloc(bytes); out.writeUIntLE(value, 0, Math.min(bytes, 6)); return out; };
const huge = Buffer.alloc(8, 0xff), str = (text: string): Buffer => Buffer.concat([u(Buffer.byteLength(text)), Buffer.from(text)]);
const header = (tensors: number | Buffer, metadata: number | Buffer, version = 3): Buffer => Buffer.concat([Buffer.from('GGUF'), u(version, 4), Buffer.isBuffer(tensors) ? tensors : u(tensors), Buffer.isBuffer(metadata) ? metadata : u(metadata)]);
const info = (name: string, shape: readonly (number | Buffer)[], type: number, offset: number): Buffer => Buffer.concat([str(name), u(shape.length, 4), ...shape.map((length) => (Buffer.isBuffer(length) ? length : u(length))), u(type, 4), u(offset)]);
const file = (...parts: Buffer[]): Uint8Array => { const all = Buffer.concat(parts); return new Uint8Array(Buffer.concat([all, Buffer.alloc(32 - all.length % 32 + 64)])); };

describe('what is refused', () => {
  test.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'it is no GGUF file'],
    ['another file', file(Buffer.from('GGML'), header(0, 0)), 'it does not begin with GGUF'],
    ['another version', file(header(0, 0, 9)), 'version must be 2 or 3, got 9'],
    ['more metadata than there can be', file(header(0, 2 ** 40)), 'bad.gguf: '],
    ['a number beyond 2⁵³', file(header(huge, 0)), 'number of tensors: the number 18446744073709552000 is too large'],
    ['a key without an end', file(header(0, 1), u(2 ** 40)), 'a metadata key: the file ends before it does: it is truncated'],
    ['a key of 2⁶⁴ bytes', file(header(0, 1), huge), 'a metadata key: the file ends before it does'],
    ['a key that is no UTF-8', file(header(0, 1), u(1), Buffer.of(0xff), u(4, 4), u(1, 4)), 'a metadata key: it is not valid UTF-8'],
    ['a key twice', file(header(0, 2), str('a'), u(4, 4), u(1, 4), str('a'), u(4, 4), u(1, 4)), 'metadata "a" stands twice'],
    ['a type that there is not', file(header(0, 1), str('a'), u(99, 4)), 'metadata "a": there is no type of values 99'],
    ['a list of lists', file(header(0, 1), str('a'), u(9, 4), u(9, 4), u(1)), 'lists of lists are not read'],
    ['a list longer than the file', file(header(0, 1), str('a'), u(9, 4), u(4, 4), u(2 ** 40)), 'metadata "a": it has 1099511627776 values, and the file ends before'],
    ['a bool of 2', file(header(0, 1), str('a'), u(7, 4), Buffer.of(2)), 'a bool must be 0 or 1, got 2'],
    ['an alignment of 0', file(header(0, 1), str('general.alignment'), u(4, 4), u(0, 4)), 'general.alignment must be a power of two from 8 to 65536, got 0'],
    ['an alignment in words', file(header(0, 1), str('general.alignment'), u(8, 4), str('much')), 'general.alignment must be a power of two'],
    ['a tensor twice', file(header(2, 0), info('a', [2], 0, 0), info('a', [2], 0, 32)), 'tensor "a" stands twice'],
    ['nine dimensions', file(header(1, 0), info('a', Array.from({ length: 9 }, () => 1), 0, 0)), 'tensor "a" must have up to 4 dimensions, got 9'],
    ['an enormous product', file(header(1, 0), info('a', [2 ** 40, 2 ** 40], 0, 0)), 'tensor "a" [1099511627776, 1099511627776] is too large'],
    ['a quantized tensor', file(header(1, 0), info('a', [32], 2, 0)), 'tensor "a" is of type 2, and f32, f16 and bf16 alone are read: quantized models are not'],
    ['a tensor at an odd place', file(header(1, 0), info('a', [2], 0, 4)), 'tensor "a" must begin at a multiple of 32, got 4'],
    ['tensors in each other', file(header(2, 0), info('a', [9], 0, 0), info('b', [1], 0, 32)), 'tensor "b" begins at byte'],
    ['a tensor beyond the file', file(header(1, 0), info('a', [2 ** 30], 0, 0)), 'the file has'],
    ['a tensor that begins beyond the file', file(header(1, 0), info('a', [1], 0, 2 ** 40)), 'it is truncated'],
  ])('%s', (_, bytes, message) => {
    expect(() => ggufReader(source(bytes))).toThrow(GgufError);
    expect(() => ggufReader(source(bytes))).toThrow(message);
  });
});

const tensors = new Map<string, WritableTensor>([['a', { dtype: 'f32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }], ['b', { dtype: 'f16', shape: [3], data: Uint16Array.of(0x3c00, 0x4000, 0) }], ['c', { dtype: 'bf16', shape: [], data: Uint16Array.of(0x3f80) }]]);
const values: readonly GgufValue[] = [
  { type: 'u8', value: 200 }, { type: 'i8', value: -3 }, { type: 'u16', value: 60_000 }, { type: 'i16', value: -9 }, { type: 'u32', value: 4e9 }, { type: 'i32', value: -5 }, { type: 'f32', value: 0.5 }, { type: 'f64', value: 0.1 }, { type: 'bool', value: true },
  { type: 'string', value: 'naïve 🍌' }, { type: 'u64', value: 2 ** 50 }, { type: 'i64', value: -(2 ** 50) }, { type: 'array', of: 'string', value: ['a', '', 'é'] }, { type: 'array', of: 'bool', value: [true, false] }, { type: 'array', of: 'f32', value: [] },
];
const metadata: GgufMetadata = new Map(values.map((value, i) => [`key ${i}`, value]));
const whole = joined(ggufChunks(metadata, tensors));

test('what is written is read, with the slowest axis first', () => {
  const reader = ggufReader(source(whole));
  expect(reader.metadata).toEqual(metadata);
  expect([...reader.tensors].map(([name, { shape, type }]) => [name, shape, type])).toEqual([['a', [2, 3], 'f32'], ['b', [3], 'f16'], ['c', [], 'bf16']]);
  for (const { start } of reader.tensors.values()) expect(start % 32).toBe(0);
  expect([...reader.read('a').data]).toEqual([1, 2, 3, 4, 5, 6]);
  expect(reader.read('b')).toEqual({ dtype: 'f16', shape: [3], data: Uint16Array.of(0x3c00, 0x4000, 0) });
  expect([...reader.read('c').data]).toEqual([1]);
  expect(() => reader.read('d')).toThrow('tensor "d": there is none of that name');
  expect(() => joined(ggufChunks(metadata, new Map([['x', { dtype: 'i32', shape: [1], data: Int32Array.of(1) }]])))).toThrow('tensor x: GGUF has no i32; allowed are f32, f16, bf16');
});

test('damaged, a file is read or refused, and never asks for more than it has', () => {
  const damage = fc.record({ at: fc.nat({ max: whole.length }), to: fc.nat({ max: 255 }), kind: fc.constantFrom('flip', 'cut', 'insert', 'end') });
  let refused = 0, accepted = 0;
  fc.assert(fc.property(fc.array(damage, { minLength: 1, maxLength: 3 }), (damages) => {
    const bytes = damages.reduce((old, { at, to, kind }) => {
      const [before, after] = [old.subarray(0, at), old.subarray(at)];
      return new Uint8Array(Buffer.concat(kind === 'end' ? [before] : kind === 'flip' ? [before, Buffer.of(to), after.subarray(1)] : kind === 'cut' ? [before, after.subarray(to % 9)] : [before, Buffer.of(to), after]));
    }, whole);
    const count = { asked: 0 };
    try {
      const reader = ggufReader(source(bytes, count));
      expect(count.asked).toBeLessThanOrEqual(4 * bytes.length);
      for (const [name, { size }] of reader.tensors) expect(reader.read(name).data.length).toBe(size);
      accepted++;
    } catch (error) {
      if (!(error instanceof GgufError)) throw error;
      refused++;
    }
  }), { numRuns: 3000 });
  expect(refused).toBeGreaterThan(500);
  expect(accepted).toBeGreaterThan(50);
});

const config: DecoderConfigInput = {
  modelType: 'decoder', vocabulary: 256, width: 16, depth: 1, maxLength: 8, attention: { type: 'grouped', heads: 2, kvHeads: 1 }, positional: 'rotary', norm: 'rmsNorm', feedForward: { type: 'swiglu', hidden: 16 },
};

describe('models', () => {
  const write = (given: Partial<DecoderConfigInput>, tokenizer = byteTokenizer()) => {
    const all = { ...config, ...given } as DecoderConfigInput;
    return ggufFile({ config: all, model: build(all), tokenizer });
  };
  test.each<[string, Partial<DecoderConfigInput>, string]>([
    ['another family', { bias: true, attention: { type: 'multiHead', heads: 2 }, positional: 'learned', norm: 'layerNorm', feedForward: 'mlp' }, 'a model of the family gpt2 has no form in GGUF here; llama, mistral, qwen2, qwen3 have'],
    ['another gate', { feedForward: 'geglu' }, 'llama.cpp has feed-forwards gated by silu alone, got gelu'],
    ['a window', { attention: { type: 'grouped', heads: 2, kvHeads: 1, mask: { type: 'slidingWindow', windowKeys: 4 } } }, 'llama.cpp sees no window in a mistral model, and this one has 4 of 8 tokens'],
    ['YaRN of one\'s own', { positional: { type: 'rotary', scaling: { type: 'yarn', factor: 2, originalLength: 4, fastTurns: 16 } } }, 'llama.cpp has YaRN with 32 fast turns'],
    ['a model that none has', { positional: 'alibi' }, 'no family of Hugging Face has this model'],
  ])('%s is refused', async (_, given, message) => { await expect(write(given)).rejects.toThrow(message); });

  test('tokenizers that do not fit are refused', async () => {
    await expect(ggufFile({ config, model: build(config) })).rejects.toThrow('a GGUF file needs a tokenizer');
    await expect(write({}, characterTokenizer('abc'))).rejects.toThrow('needs a tokenizer with as many tokens as the model (256), got 3');
    await expect(write({ vocabulary: 8 })).rejects.toThrow('the tokenizer has 256 tokens, and the model knows 8');
    const word = huggingFaceTokenizer({ tokenizer: { version: '1.0', truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: { type: 'Whitespace' }, post_processor: null, decoder: null, model: { type: 'BPE', vocab: Object.fromEntries(Array.from({ length: 256 }, (_, i) => [`t${i}`, i])), merges: [] } } });
    await expect(write({}, word)).rejects.toThrow('the pre_tokenizer of tokenizer.json must be that of GPT-2, Llama 3 or Qwen 2, got {"type":"Whitespace"}');
  });

  test('metadata that lie are refused before anything is built', async () => {
    const { metadata: honest, tensors: weights } = await write({});
    const lie = (key: string, value: GgufValue | undefined): void => {
      const told = new Map(honest);
      if (value) told.set(key, value); else told.delete(key);
      modelFromGguf(ggufReader(source(joined(ggufChunks(told, weights)))), 'bad.gguf');
    };
    const u32 = (value: number): GgufValue => ({ type: 'u32', value });
    expect(() => lie('general.name', u32(3))).not.toThrow();
    expect(() => lie('general.architecture', { type: 'string', value: 'gemma' })).toThrow('general.architecture must be llama, qwen2, qwen3, got "gemma"');
    expect(() => lie('llama.block_count', u32(4e9))).toThrow('it says 4000000000 layers, and it has 11 tensors');
    expect(() => lie('llama.vocab_size', u32(4e9))).toThrow('its shape must be [4000000000, 16] by the model\'s config, got [256, 16]');
    expect(() => lie('llama.attention.head_count', { type: 'string', value: 'many' })).toThrow('llama.attention.head_count must be a number');
    expect(() => lie('llama.attention.key_length', u32(3))).toThrow('llama.attention.value_length is 8, and what else says head_dim is 3');
    expect(() => lie('llama.expert_count', u32(8))).toThrow('llama.expert_count is unknown here and may change what the model computes');
    expect(() => lie('llama.rope.scaling.type', { type: 'string', value: 'longrope' })).toThrow('rope_scaling.rope_type must be');
    const sentencePieces = (tokens: GgufValue): void => {
      const told = new Map<string, GgufValue>([...honest, ['tokenizer.ggml.model', { type: 'string', value: 'llama' }], ['tokenizer.ggml.tokens', tokens], ['tokenizer.ggml.scores', { type: 'array', of: 'f32', value: [0] }]]);
      modelFromGguf(ggufReader(source(joined(ggufChunks(told, weights)))), 'bad.gguf');
    };
    expect(() => sentencePieces({ type: 'array', of: 'string', value: ['a', 'b'] })).toThrow('bad.gguf: scoredPiecesTokenizer: each piece needs a score, got 2 pieces and 1 scores');
    expect(() => sentencePieces(u32(7))).toThrow(GgufError);
    for (const key of [...honest.keys()].filter((one) => one.startsWith('llama.'))) {
      try { lie(key, undefined); } catch (error) { expect([GgufError, HuggingFaceConfigError, SafetensorsError].some((kind) => error instanceof kind), `${key}: ${(error as Error).message}`).toBe(true); }
    }
  });
});

/** Real models, trained by others, that must say what their authors recorded. Their files are not in the repository. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { jit, tensor, type Tensor } from '@ashlar/tensor';
import { wasm } from '@ashlar/wasm';
import { build } from '@ashlar/models';
import { readSafetensors } from './index.js';
import { loadHuggingFace } from './node.js';

const shared = new URL('../../../../shared/data/', import.meta.url);

test('stories260K, a Llama trained on TinyStories, tells its story', async (context) => {
  const folder = new URL('stories260K/', shared);
  if (!existsSync(folder)) return context.skip('../shared/data/stories260K is not here');
  await using device = await wasm();
  const { model } = loadHuggingFace(fileURLToPath(folder), { modelType: 'decoder' }), T = 201, V = 512;
  const bytes = readFileSync(new URL('runc-greedy-logits-f32-64x512.bin', folder)), recorded = new Float32Array(bytes.buffer, bytes.byteOffset, 64 * V);
  const run = jit((tokens: Tensor) => model.logits(tokens), { device });

  const tokens = new Int32Array(T);
  tokens[0] = 1;
  let worst = 0;
  for (let t = 0; t + 1 < T; t++) {
    const logits = Float32Array.from((await run(tensor(tokens, { shape: [1, T] })).data()).subarray(t * V, (t + 1) * V));
    if (t < 64) logits.forEach((value, v) => { worst = Math.max(worst, Math.abs(value - recorded[t * V + v]!)); });
    tokens[t + 1] = logits.indexOf(logits.reduce((largest, value) => Math.max(largest, value), -Infinity));
  }
  expect(worst).toBeLessThan(2e-4);
  const text = decodeTokens(readFileSync(new URL('tok512.bin', folder)), [...tokens.subarray(1)]);
  expect(text).toBe(readFileSync(new URL('greedy-200.txt', folder), 'utf8').trimEnd());
});

/** llama2.c's tokenizer file: the longest token's length, then of each token a score (f32), a length (i32) and its bytes. */
function decodeTokens(file: Buffer, tokens: readonly number[]): string {
  const pieces: string[] = [];
  for (let at = 4; at < file.length;) {
    const length = file.readInt32LE(at + 4);
    pieces.push(file.toString('utf8', at + 8, at + 8 + length));
    at += 8 + length;
  }
  const raw = (piece: string): string => (/^<0x[0-9A-F]{2}>$/.test(piece) ? String.fromCharCode(parseInt(piece.slice(3, 5), 16)) : piece);
  return tokens.map((token) => raw(pieces[token]!)).join('').trimStart();
}

test('gpt-nano-sort, a minGPT, sorts letters', async (context) => {
  const file = new URL('gpt-nano-sort/model.safetensors', shared);
  if (!existsSync(file)) return context.skip('../shared/data/gpt-nano-sort is not here');
  const { tensors } = readSafetensors(readFileSync(file));
  const model = build({
    modelType: 'decoder', vocabulary: 3, width: 48, depth: 3, maxLength: 11, bias: true, tiedHead: false,
    attention: { type: 'multiHead', heads: 3 }, positional: 'learned', norm: 'layerNorm', feedForward: { type: 'mlp', activation: 'geluTanh' },
  }, { seed: 'none' });
  const names: [RegExp, string][] = [
    [/^transformer\.wte/, 'tokens'], [/^transformer\.wpe/, 'positional'], [/^transformer\.h/, 'layers'], [/^transformer\.ln_f\.weight/, 'finalNorm.gain'], [/^transformer\.ln_f/, 'finalNorm'], [/^lm_head/, 'head'],
    [/ln_1\.weight/, 'residual.norms.0.gain'], [/ln_1/, 'residual.norms.0'], [/ln_2\.weight/, 'residual.norms.1.gain'], [/ln_2/, 'residual.norms.1'],
    [/attn\.c_attn/, 'attention.qkv'], [/attn\.c_proj/, 'attention.output'], [/mlp\.c_fc/, 'feedForward.up'], [/mlp\.c_proj/, 'feedForward.down'],
  ];
  const named = [...tensors].map(([name, { data }]) => [names.reduce((given, [from, to]) => given.replace(from, to), name), data as Float32Array] as const);
  // The safetensors file lacks the biases of queries, keys and values; the original has them, in base64.
  const original = JSON.parse(readFileSync(new URL('gpt-nano-sort/gpt-nano-sort-model.json', shared), 'utf8')) as Record<string, { data: string }>;
  const biases = [0, 1, 2].map((layer) => {
    const bytes = Buffer.from(original[`transformer.h.${layer}.attn.c_attn.bias`]!.data, 'base64');
    return [`layers.${layer}.attention.qkv.bias`, Float32Array.from({ length: 3 * 48 }, (_, i) => bytes.readFloatLE(4 * i))] as const;
  });
  model.load(new Map([...named, ...biases]));
  await using device = await wasm();
  const run = jit((tokens: Tensor) => model.logits(tokens), { device });
  const partials = readSafetensors(readFileSync(new URL('gpt-nano-sort/partials.safetensors', shared))).tensors;
  const logits = await run(tensor(Int32Array.from(partials.get('idx')!.data), { shape: [3, 11] })).data(), recorded = partials.get('lm_head')!.data;
  expect(logits.length).toBe(recorded.length);
  logits.forEach((value, i) => expect(Math.abs(value - recorded[i]!)).toBeLessThan(2e-4));

  for (const letters of [[2, 1, 0, 1, 1, 2], [0, 0, 2, 1, 0, 1], [1, 1, 1, 0, 2, 2]]) {
    const tokens = [...letters];
    while (tokens.length < 12) {
      const padded = Int32Array.from({ length: 11 }, (_, i) => tokens[i] ?? 0);
      const row = (await run(tensor(padded, { shape: [1, 11] })).data()).subarray((tokens.length - 1) * 3, tokens.length * 3);
      tokens.push(row.indexOf(Math.max(...row)));
    }
    expect(tokens.slice(6)).toEqual(letters.toSorted());
  }
});

/** Real models, trained by others, that must say what their authors recorded. Their files are not in the repository. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { arange, jit, tensor, where, type Tensor } from '@ashlar/tensor';
import { wasm } from '@ashlar/wasm';
import { webgpu } from '@ashlar/webgpu-node';
import { geluTanh, type Attention, type Linear, type Norm } from '@ashlar/nn';
import { build } from '@ashlar/models';
import { parseLlama2cTokenizer, scoredPiecesTokenizer } from '@ashlar/text';
import { families, readParameters, readSafetensors, type HostTensor, type TensorTable } from './index.js';
import { loadHuggingFace } from './node.js';

const shared = new URL('../../../../shared/data/', import.meta.url);

test('stories260K, a Llama trained on TinyStories, tells its story', async (context) => {
  const folder = new URL('stories260K/', shared);
  if (!existsSync(folder)) return context.skip('../shared/data/stories260K is not here');
  const { model } = loadHuggingFace(fileURLToPath(folder), { modelType: 'decoder' }), T = 201, V = 512;
  const bytes = readFileSync(new URL('runc-greedy-logits-f32-64x512.bin', folder)), recorded = new Float32Array(bytes.buffer, bytes.byteOffset, 64 * V);
  const likeliest = (row: Float32Array): number => row.indexOf(row.reduce((largest, value) => Math.max(largest, value), -Infinity));
  const worst = (logits: Float32Array): number => recorded.reduce((most, value, i) => Math.max(most, Math.abs(value - logits[i]!)), 0);

  const tokens = new Int32Array(T);
  tokens[0] = 1;
  {
    await using device = await wasm();
    const run = jit((ids: Tensor) => model.logits(ids), { device });
    for (let t = 0; t + 1 < T; t++) tokens[t + 1] = likeliest((await run(tensor(tokens, { shape: [1, T] })).data() as Float32Array).subarray(t * V, (t + 1) * V));
    expect(worst(await run(tensor(tokens, { shape: [1, T] })).data() as Float32Array)).toBeLessThan(2e-4);
    await model.toHost();
  }
  const text = scoredPiecesTokenizer(parseLlama2cTokenizer(readFileSync(new URL('tok512.bin', folder)))).decode(tokens);
  expect(text).toBe(readFileSync(new URL('greedy-200.txt', folder), 'utf8').trimEnd());

  // WebGPU sees the whole story at once: what it would write next is, at each token, the one that stands there.
  await using gpu = await webgpu({ adapter: 'swiftshader' });
  const logits = await jit((ids: Tensor) => model.logits(ids), { device: gpu })(tensor(tokens, { shape: [1, T] })).data() as Float32Array;
  expect(worst(logits)).toBeLessThan(1e-3);
  expect(Array.from({ length: T - 1 }, (_, t) => likeliest(logits.subarray(t * V, (t + 1) * V)))).toEqual([...tokens.subarray(1)]);
});

/** gpt-nano-sort's names, which are GPT-2's; its linear layers are [out, in]. */
const gptTable = families.gpt2!.table({} as never), nanoTable: TensorTable = { ...gptTable, modules: gptTable.modules.map(([stored, ours]) => [stored, ours]) };

test('gpt-nano-sort, a minGPT, computes every activation that was recorded, and sorts letters', async (context) => {
  const folder = new URL('gpt-nano-sort/', shared);
  if (!existsSync(folder)) return context.skip('../shared/data/gpt-nano-sort is not here');
  // The safetensors file lacks the biases of queries, keys and values; the original has them, in base64.
  const original = JSON.parse(readFileSync(new URL('gpt-nano-sort-model.json', folder), 'utf8')) as Record<string, { data: string; shape: number[] }>;
  const tensors = new Map(Object.entries(original).filter(([name]) => name !== 'config').map(([name, { data, shape }]): [string, HostTensor] => {
    const bytes = Buffer.from(data, 'base64');
    return [name, { dtype: 'f32', shape, data: Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i)) }];
  }));
  const model = build({
    modelType: 'decoder', vocabulary: 3, width: 48, depth: 3, maxLength: 11, bias: true, tiedHead: false,
    attention: { type: 'multiHead', heads: 3 }, positional: 'learned', norm: 'layerNorm', feedForward: { type: 'mlp', activation: 'geluTanh' },
  }, { seed: 'none' });
  model.load(readParameters(nanoTable, model.namedParameters(), { name: 'model', tensors, read: (name) => tensors.get(name)! }).values);
  await using device = await wasm();

  const recorded = readSafetensors(readFileSync(new URL('partials.safetensors', folder))).tensors, B = 3, T = 11, C = 48, H = 3, D = C / H;
  // Inside a layer the first one's activations were recorded.
  const partials = jit((idx: Tensor) => {
    const [first, second, third] = model.layers as unknown as readonly [Layer, Layer, Layer];
    const tok_emb = model.tokens.forward(idx), x = model.positional.embed!(tok_emb, 0), ln1 = first.residual.norms[0].forward(x), qkv = first.attention.qkv.forward(ln1);
    const [q, k, v] = qkv.split(3).map((part) => part.reshape([B, T, H, D]).permute(0, 2, 1, 3)) as [Tensor, Tensor, Tensor];
    const att = q.matmul(k.transpose()).mul(1 / Math.sqrt(D)), attSm = where(arange(T).reshape([T, 1]).ge(arange(T)), att, -Infinity).softmax(-1), y = attSm.matmul(v).permute(0, 2, 1, 3).reshape([B, T, C]);
    const yProj = first.attention.output.forward(y), attnResid = x.add(first.attention.forward({ x: ln1, positions: 0 })), ln2 = first.residual.norms[1].forward(attnResid);
    const fc = first.feedForward.up.forward(ln2), gelu = geluTanh(fc), mlp = first.feedForward.forward(ln2), blocks = [first, second, third].reduce((streams, layer) => [...streams, layer.forward(streams.at(-1)!, { positions: 0 })[0]], [x]);
    const lm_head = model.logits(idx);
    return {
      tok_emb, x, ln1, qkv, q, k, v, att, attSm, y, yProj, attnResid, ln2, fc, gelu, mlp, mlpResid: attnResid.add(mlp), block0: blocks[1]!, block1: blocks[2]!, block2: blocks[3]!, ln_f: model.finalNorm!.forward(blocks[3]!), lm_head, probs: lm_head.softmax(-1),
      pos_emb: x.sub(tok_emb).slice([0, 1]),
    };
  }, { device });
  const computed = partials(tensor(Int32Array.from(recorded.get('idx')!.data), { shape: [B, T] }));
  expect(Object.keys(computed).sort()).toEqual([...recorded.keys()].filter((name) => name !== 'idx').sort());
  for (const [name, value] of Object.entries(computed)) {
    const { data, shape } = recorded.get(name)!, ours = await value.data() as Float32Array;
    expect([name, value.shape]).toEqual([name, shape]);
    // What a mask hides was recorded as −∞ or as nothing: the softmax of it, which was recorded too, must be 0.
    expect(ours.reduce((most, one, i) => (name === 'att' && !(Math.abs(data[i]!) < 1e30) ? most : Math.max(most, Math.abs(one - data[i]!))), 0), name).toBeLessThan(1e-4);
  }

  const run = jit((tokens: Tensor) => model.logits(tokens), { device });
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

/** A layer with the parts that this model has. */
interface Layer {
  readonly residual: { readonly norms: readonly [Norm, Norm] };
  readonly attention: Attention & { readonly qkv: Linear; readonly output: Linear };
  readonly feedForward: { readonly up: Linear; forward(x: Tensor): Tensor };
  forward(x: Tensor, input: { readonly positions: number }): readonly [Tensor, ...Tensor[]];
}

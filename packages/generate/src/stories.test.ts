/** A real model, trained by others, must write what its author recorded. Its files are not in the repository. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { wasm } from '@ashlar/wasm';
import { webgpu } from '@ashlar/webgpu-node';
import { readSafetensors } from '@ashlar/hub';
import { loadHuggingFace } from '@ashlar/hub/node';
import { writer, type Writer } from './index.js';
import { plainLlama } from './test/plain-llama.js';

const folder = new URL('../../../../shared/data/stories260K/', import.meta.url);
const sizes = { width: 64, hidden: 172, layers: 5, heads: 8, kvHeads: 4, vocabulary: 512, context: 512, theta: 10000, epsilon: 1e-5 };

/** The same on WebGPU, also with a cache. */
async function onWebgpu(wanted: readonly number[], written: (one: Writer) => Promise<number[]>): Promise<void> {
  await using device = await webgpu({ adapter: 'swiftshader' });
  const one = writer({ model: loadHuggingFace(fileURLToPath(folder), { modelType: 'decoder' }).model, device, context: 256 });
  expect(await written(one)).toEqual(wanted);
  one.release();
}

test('stories260K: 200 greedy tokens are those of its author, also on WebGPU, sooner than by a plain loop and five times sooner than without a cache', async (context) => {
  if (!existsSync(folder)) return context.skip('../shared/data/stories260K is not here');
  const { tensors } = readSafetensors(readFileSync(new URL('model.safetensors', folder)));
  const bytes = readFileSync(new URL('runc-greedy-logits-f32-64x512.bin', folder)), recorded = new Float32Array(bytes.buffer, bytes.byteOffset, 64 * 512);
  let worst = 0;
  /** The most likely tokens by the plain loop; and how far its logits are from those that the author recorded. */
  const plain = (): number[] => {
    const step = plainLlama(sizes, (name) => tensors.get(name)!.data as Float32Array), text = [1];
    for (let t = 0; t < 200; t++) {
      const logits = step(text[t]!, t);
      if (t < 64) logits.forEach((value, v) => { worst = Math.max(worst, Math.abs(value - recorded[t * 512 + v]!)); });
      text.push(logits.indexOf(logits.reduce((most, value) => Math.max(most, value), -Infinity)));
    }
    return text.slice(1);
  };
  const written = async (one: Writer): Promise<number[]> => {
    const found: number[] = [];
    for await (const token of one.write([1], { maxTokens: 200, temperature: 0 })) found.push(token);
    return found;
  };
  await using device = await wasm({ threads: 1 });
  const { model } = loadHuggingFace(fileURLToPath(folder), { modelType: 'decoder' }), cached = writer({ model, device, context: 256 }), uncached = writer({ model, device, context: 256, cache: false });
  const wanted = plain();
  expect(worst).toBeLessThan(1e-3);
  expect(await written(cached)).toEqual(wanted);
  await onWebgpu(wanted, written);

  const best = { plain: Infinity, cached: Infinity, uncached: Infinity };
  const timed = async (name: keyof typeof best, work: () => unknown): Promise<void> => {
    const start = performance.now();
    await work();
    best[name] = Math.min(best[name], performance.now() - start);
  };
  for (let round = 0; round < 3; round++) {
    await timed('plain', plain);
    await timed('cached', () => written(cached));
  }
  await timed('uncached', async () => { expect(await written(uncached)).toEqual(wanted); });
  console.log(`200 tokens of stories260K, one thread: ${Object.entries(best).map(([name, milliseconds]) => `${name} ${milliseconds.toFixed(1)} ms`).join(', ')}`);
  expect(best.uncached / best.cached).toBeGreaterThan(5);
  expect(best.plain / best.cached).toBeGreaterThan(1);
  for (const one of [cached, uncached]) one.release();
});

/** Models, gradients and updates against what PyTorch recorded (packages/hub/fixtures), on every device. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { gradients, jit, read, tensor, type Device, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { webgpu } from '@ashlar/webgpu-node';
import { families, readParameters } from '@ashlar/hub';
import { loadHuggingFace, readSafetensorsFile } from '@ashlar/hub/node';
import { adamW } from '@ashlar/optim';
import { trainStep } from './index.js';

/** WebGPU runs on the adapter that the project carries, so that the test is the same everywhere. The last number: milliseconds that a test may take. */
const devices: readonly [name: string, make: () => Device | Promise<Device>, timeout: number][] = [
  ['reference', reference, 60_000],
  ['wasm', wasm, 60_000],
  ['webgpu', () => webgpu({ adapter: 'swiftshader' }), 120_000],
];

function recorded(fixture: string) {
  const folder = fileURLToPath(new URL(`../../hub/fixtures/${fixture}/`, import.meta.url));
  const json = (name: string) => JSON.parse(readFileSync(`${folder}${name}`, 'utf8')) as Record<string, unknown>;
  const { tensors } = readSafetensorsFile(`${folder}ref.safetensors`);
  const of = (name: string) => tensors.get(name)!;
  const { model, family: name } = loadHuggingFace(folder);
  const [B, T] = of('input_ids').shape as [number, number];
  const labels = of('labels').data as Int32Array;
  // Hugging Face's labels stand at the token itself: position t predicts labels[t + 1], and the last position nothing.
  const targets = Int32Array.from(labels, (_, i) => (i % T === T - 1 ? -100 : labels[i + 1]!));
  return {
    folder, shape: [B, T] as const, V: model.vocabulary,
    tokens: of('input_ids').data as Int32Array, mask: of('attention_mask').data as Int32Array, targets,
    logits: of('logits').data as Float32Array, loss: of('loss').data[0]!,
    gradients: readParameters(families[name]!.table, model.namedParameters(), { name: 'ref.safetensors', tensors, read: of }, { prefix: 'grad.' }).values,
    steps: json('train.json')['steps_loss_gradnorm'] as [number, number][],
  };
}

describe.each(devices)('parity with PyTorch on %s', (_, make, timeout) => {
  let device: Device;
  beforeAll(async () => { device = await make(); });
  afterAll(() => device.close());

  describe.each(['gpt2', 'llama'])('%s', (family) => {
    const known = recorded(family), { shape } = known;

    test('logits within 2e-4, loss within 1e-5, every gradient within 1e-3 of its norm and of its largest element', async () => {
      const { model } = loadHuggingFace(known.folder), parameters = model.namedParameters();
      const run = jit((tokens: Tensor, targets: Tensor) => {
        const weights = [...parameters.values()].map(read), logits = model.logits(tokens), loss = model.loss(tokens, targets);
        return { logits, loss, gradients: gradients(loss, weights) };
      }, { device });
      const result = run(tensor(known.tokens, { shape }), tensor(known.targets, { shape }));

      const logits = await result.logits.data();
      let compared = 0;
      known.mask.forEach((valid, row) => {
        for (let v = 0; valid === 1 && v < known.V; v++) {
          compared++;
          expect(Math.abs(logits[row * known.V + v]! - known.logits[row * known.V + v]!)).toBeLessThan(2e-4);
        }
      });
      expect(compared).toBe(17 * 61);
      expect(Math.abs(await result.loss.item() - known.loss)).toBeLessThan(1e-5);

      const names = [...parameters.keys()];
      expect(names.toSorted()).toEqual([...known.gradients.keys()].toSorted());
      for (const [i, name] of names.entries()) {
        const got = await result.gradients[i]!.data(), expected = known.gradients.get(name)!;
        expect(got.length).toBe(expected.length);
        let difference = 0, norm = 0, largest = 0, worst = 0;
        expected.forEach((value, j) => {
          difference += (got[j]! - value) ** 2;
          norm += value ** 2;
          largest = Math.max(largest, Math.abs(value));
          worst = Math.max(worst, Math.abs(got[j]! - value));
        });
        // Keys' biases have no gradient: softmax does not see them, and PyTorch records rounding errors.
        expect(Math.sqrt(difference), name).toBeLessThan(1e-3 * Math.sqrt(norm) + 1e-7);
        expect(worst, name).toBeLessThan(1e-3 * largest + 1e-7);
      }
      run.release();
      await model.toHost();
    }, timeout);

    test('ten AdamW losses and gradient norms within 1e-3', async () => {
      const { model } = loadHuggingFace(known.folder);
      const optimizer = adamW({ learningRate: 3e-3, betas: [0.9, 0.95], epsilon: 1e-8, weightDecay: 0.1, decays: () => true });
      const step = trainStep({ model, device, optimizer, clip: 1 });
      const results = [];
      for (const _ of known.steps) results.push(step({ tokens: known.tokens, targets: known.targets, shape }));
      expect(results.length).toBe(10);
      for (const [i, [loss, norm]] of known.steps.entries()) {
        expect(Math.abs(await results[i]!.loss.item() - loss), `loss ${i}`).toBeLessThan(1e-3);
        expect(Math.abs(await results[i]!.gradNorm.item() - norm), `norm ${i}`).toBeLessThan(1e-3 * norm);
      }
      expect(step.compilations.length).toBe(1);
      step.release();
    }, timeout);
  });
});

test.each(['gpt2', 'llama'])('labels of %s that are not shifted give another loss', async (family) => {
  const { folder, tokens, targets, shape, loss } = recorded(family), { model } = loadHuggingFace(folder);
  const lossOf = (given: Int32Array) => model.loss(tensor(tokens, { shape }), tensor(given, { shape })).item(reference());
  expect(Math.abs(await lossOf(targets) - loss)).toBeLessThan(1e-5);
  expect(Math.abs(await lossOf(tokens) - loss)).toBeGreaterThan(0.1);
});

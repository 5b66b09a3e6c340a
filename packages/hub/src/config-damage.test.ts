/** config.json that is damaged or made to harm: read, or refused with an error of its own, and nothing large is made. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HuggingFaceConfigError, SafetensorsError, modelFromHuggingFace, readSafetensors, type TensorFiles } from './index.js';

const fixture = (path: string) => readFileSync(new URL(`../fixtures/${path}`, import.meta.url));
const names = ['gpt2', 'llama', 'bert', 'bert_cls', 't5', 'bart'] as const;
const fixtures = names.map((name) => {
  const { tensors } = readSafetensors(fixture(`${name}/model.safetensors`)), files: TensorFiles = { name: 'model.safetensors', tensors, read: (one) => tensors.get(one)! };
  return { json: JSON.parse(fixture(`${name}/config.json`).toString()) as Record<string, unknown>, files };
});

const number = fc.oneof(fc.integer({ min: -2, max: 70 }), fc.integer(), fc.double(), fc.constantFrom(2 ** 31, 2 ** 40, 2 ** 53 - 1, 2 ** 53, 1e300, 0.1));
const anything = fc.oneof({ arbitrary: number, weight: 4 }, fc.boolean(), fc.string({ maxLength: 9 }), fc.constantFrom(null, 'gelu', 'silu', 'yarn', 'default', '__proto__', 'constructor'), fc.array(number, { maxLength: 3 }), fc.dictionary(fc.constantFrom('rope_type', 'type', 'factor', 'rope_theta', '__proto__'), fc.oneof(number, fc.constantFrom('yarn', 'llama3', 'linear'))));

test.each(names.map((name, i) => [name, i] as const))('%s', (_, index) => {
  const { json, files } = fixtures[index]!, keys = [...Object.keys(json), 'rope_scaling', 'sliding_window', 'head_dim', 'n_ctx', 'pad_token_id', 'model_type'];
  let refused = 0, accepted = 0;
  fc.assert(fc.property(fc.array(fc.tuple(fc.constantFrom(...keys), anything), { minLength: 1, maxLength: 2 }), (changes) => {
    try {
      modelFromHuggingFace({ ...json, ...Object.fromEntries(changes) }, files);
      accepted++;
    } catch (error) {
      if (!(error instanceof HuggingFaceConfigError || error instanceof SafetensorsError)) throw error;
      expect(error.message.length).toBeLessThan(600);
      refused++;
    }
  }), { numRuns: 400 });
  expect(refused).toBeGreaterThan(50);
  expect(accepted).toBeGreaterThan(10);
});

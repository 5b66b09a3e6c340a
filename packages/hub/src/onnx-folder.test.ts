import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceSession } from 'onnxruntime-node';
import { afterAll, expect, test } from 'vitest';
import { build, type Decoder } from '@ashlar/models';
import { byteTokenizer } from '@ashlar/text';
import { readHuggingFaceConfig } from './index.js';
import { loadHuggingFace, loadHuggingFaceTokenizer, saveOnnx } from './node.js';

const temporary = mkdtempSync(join(tmpdir(), 'ashlar-onnx-'));
afterAll(() => rmSync(temporary, { recursive: true }));
const files = (folder: string): string[] => readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url));

test.each([['llama', ['onnx/model.onnx']], ['bert', ['onnx/model.onnx']], ['bart', ['onnx/decoder_model_merged.onnx', 'onnx/encoder_model.onnx']], ['t5', ['onnx/decoder_model_merged.onnx', 'onnx/encoder_model.onnx']]])('%s, as transformers.js loads it', async (family, graphs) => {
  const source = join(fixtures, family);
  expect(existsSync(source)).toBe(true);
  const loaded = loadHuggingFace(source), folder = join(temporary, family);
  await saveOnnx(folder, loaded);
  expect(files(folder)).toEqual(['config.json', 'onnx', ...graphs]);
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Record<string, unknown>;
  expect(config).toMatchObject({ model_type: family, 'transformers.js_config': { dtype: 'fp32' } });
  for (const graph of graphs) {
    const session = await InferenceSession.create(join(folder, graph)), { inputNames, outputNames } = session;
    await session.release();
    // Empty caches are made by these names and by `batch_size`.
    if (/decoder/.test(graph)) expect(inputNames.filter((name) => name.startsWith('past_'))).toEqual(outputNames.filter((name) => name.startsWith('present.')).map((name) => name.replace('present', 'past_key_values')));
    if (/encoder_model/.test(graph)) expect(outputNames).toEqual(['last_hidden_state']);
  }
});

test('a tokenizer goes with it; a model of no family has no config.json', async () => {
  const model = (parts: object): { config: never; model: Decoder } => {
    const config = { modelType: 'decoder', vocabulary: 257, width: 8, depth: 1, maxLength: 16, attention: { type: 'multiHead', heads: 2 }, positional: 'rotary', norm: 'rmsNorm', feedForward: 'swiglu', ...parts };
    return { config: config as never, model: build(config as never, { seed: 1 }) as Decoder };
  };
  const plain = join(temporary, 'plain'), other = join(temporary, 'other'), tokenizer = byteTokenizer();
  expect((await saveOnnx(plain, { ...model({}), tokenizer })).withoutConfig).toBeUndefined();
  expect(files(plain)).toEqual(['config.json', 'onnx', 'onnx/model.onnx', 'tokenizer.json', 'tokenizer_config.json']);
  expect(loadHuggingFaceTokenizer(plain)!.encode('né')).toEqual(tokenizer.encode('né'));
  expect((await saveOnnx(other, { ...model({ positional: 'alibi' }), tokenizer })).withoutConfig).toContain('no family of Hugging Face has this model');
  expect(files(other)).toEqual(['onnx', 'onnx/model.onnx', 'tokenizer.json', 'tokenizer_config.json']);
  await expect(saveOnnx(join(temporary, 'third'), model({ positional: 'alibi' }), { family: 'llama' })).rejects.toThrow('as llama');
  await expect(saveOnnx(plain, model({}))).rejects.toThrow('it must be empty');
  expect(() => readHuggingFaceConfig(JSON.parse(readFileSync(join(plain, 'config.json'), 'utf8')))).not.toThrow();
});

import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportOnnx, onnxBytes } from '@ashlar/hub';
import { writeSafetensors } from '@ashlar/hub/node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadRun } from '../load-run.js';
import { main } from '../main.js';

const folder = mkdtempSync(join(tmpdir(), 'ashlar-export-')), run = join(folder, 'run'), out = join(folder, 'model.onnx');
afterAll(() => rmSync(folder, { recursive: true }));
beforeAll(async () => {
  const { buildModel } = await import('../tasks/building.js'), { resolveConfig } = await import('../config/resolve.js');
  const config = resolveConfig({ model: { modelType: 'decoder', vocabulary: 3, width: 8, depth: 1, attention: { type: 'multiHead', heads: 2 }, positional: 'rotary', norm: 'rmsNorm', feedForward: 'swiglu' }, training: { steps: 2, batch: 1, context: 6, learningRate: { peak: 0.1 } } }, { set: [] }, 'test');
  mkdirSync(run);
  writeFileSync(join(run, 'config.json'), JSON.stringify(config));
  writeFileSync(join(run, 'tokenizer.json'), JSON.stringify({ type: 'character', characters: 'abc' }));
  const tensors = new Map<string, { dtype: 'f32'; shape: readonly number[]; data: Float32Array }>();
  for (const [name, parameter] of buildModel(config).namedParameters()) tensors.set(name, { dtype: 'f32', shape: parameter.shape, data: (await parameter.read()) as Float32Array });
  writeSafetensors(join(run, 'model.safetensors'), tensors);
});

/** Runs the command line inside this process. */
async function ashlar(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const written = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') => ({ isTTY: false, columns: 80, write: (text: string) => { written[name] += text; return true; } });
  return { code: await main(words, { stdout: stream('stdout'), stderr: stream('stderr') }), ...written };
}

test('export writes ONNX with the config and tokenizer in it, and says what it takes and gives', async () => {
  const { code, stderr } = await ashlar('export', '--run', run, '--format', 'onnx', '--out', out, '--batch', '2', '--length', '4');
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/model\.onnx: ONNX, opset 23, \d+ nodes: input_ids int64 \[2, 4\], attention_mask int64 \[2, 4\] → logits float \[2, 4, 3\]\n$/) });
  const { model, config, tokenizer } = loadRun(run);
  const expected = await exportOnnx(model, { batch: 2, length: 4, metadata: { 'ashlar.config': JSON.stringify(config), 'ashlar.tokenizer': JSON.stringify(tokenizer.toJSON()) } });
  expect(Buffer.compare(readFileSync(out), onnxBytes(expected))).toBe(0);
  expect(readdirSync(folder).sort()).toEqual(['model.onnx', 'run']);
});

test('a name that is no file of ONNX is a folder, as transformers.js has it', async () => {
  const into = join(folder, 'served'), { code, stderr } = await ashlar('export', '--run', run, '--format', 'onnx', '--out', into, '--no-padding');
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('onnx/model.onnx: ONNX, opset 23, ') });
  expect(stderr).toContain('input_ids int64 [batch_size, sequence_length], position_ids int64 [batch_size, sequence_length], past_key_values.0.key float [batch_size, 2, past_sequence_length, 4], past_key_values.0.value');
  expect(readdirSync(into, { recursive: true, encoding: 'utf8' }).sort()).toEqual(['config.json', 'onnx', 'onnx/model.onnx', 'tokenizer.json', 'tokenizer_config.json']);
  rmSync(into, { recursive: true });
  expect(await ashlar('export', '--run', run, '--format', 'onnx', '--out', out, '--family', 'llama')).toMatchObject({ code: 2, stderr: expect.stringContaining('--family is of folders, which have a config.json') });
  expect(await ashlar('export', '--run', run, '--format', 'onnx', '--out', into, '--source-length', '4')).toMatchObject({ code: 2, stderr: expect.stringContaining('--source-length is of files of whole sequences') });
});

test('what cannot be exported', async () => {
  expect(await ashlar('export', '--run', run, '--format', 'onx', '--out', out)).toMatchObject({ code: 2, stderr: expect.stringMatching(/^error: --format onx: there is no such form\. Did you mean "onnx"\? There are .*onnx/) });
  expect(await ashlar('export', '--run', run, '--format', 'onnx', '--out', out, '--length', '9')).toMatchObject({ code: 2, stderr: expect.stringContaining('onnx: length must be at most the model\'s maxLength (6), got 9') });
  expect(await ashlar('export', '--run', run, '--format', 'onnx', '--out', out, '--source-length', '4')).toMatchObject({ code: 2, stderr: expect.stringContaining('sourceLength is of encoder-decoders alone') });
  expect(await ashlar('export', '--run', join(folder, 'none'), '--format', 'onnx', '--out', out)).toMatchObject({ code: 3 });
  expect(await ashlar('export', '--run', run, '--format', 'onnx', '--out', join(folder, 'none', 'model.onnx'))).toMatchObject({ code: 5, stderr: expect.stringContaining('its folder does not exist') });
});

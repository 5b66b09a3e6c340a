import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeHuggingFaceConfig, type HostTensor } from './index.js';
import { readHuggingFaceFolder, readSafetensorsFile, writeSafetensors } from './node.js';

const fixture = fileURLToPath(new URL('../fixtures/llama', import.meta.url));
let folder: string;
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'ashlar-folder-')); });
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function copy(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  cpSync(join(fixture, 'config.json'), join(path, 'config.json'));
  return path;
}

const whole = () => readSafetensorsFile(join(fixture, 'model.safetensors')).tensors;

function writeParts(path: string, parts: Record<string, [string, HostTensor][]>): void {
  const places: Record<string, string> = {};
  for (const [part, tensors] of Object.entries(parts)) {
    writeSafetensors(join(path, part), new Map(tensors));
    for (const [name] of tensors) places[name] = part;
  }
  writeFileSync(join(path, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map: places }));
}

test('a folder gives what its two files say', () => {
  const { description, weights } = readHuggingFaceFolder(fixture);
  expect(description).toEqual(describeHuggingFaceConfig(JSON.parse(readFileSync(join(fixture, 'config.json'), 'utf8'))));
  expect(weights.size).toBe(21);
  const embedding = whole().get('model.embed_tokens.weight')!;
  expect(weights.get('tokens.weight')).toEqual(embedding);
});

test('a model in parts is the same model', () => {
  const path = copy('parts');
  const tensors = [...whole()];
  writeParts(path, { 'model-1.safetensors': tensors.slice(0, 9), 'model-2.safetensors': tensors.slice(9) });
  expect(readHuggingFaceFolder(path)).toEqual(readHuggingFaceFolder(fixture));
  writeParts(path, { 'model-1.safetensors': tensors.slice(0, 10), 'model-2.safetensors': tensors.slice(9) });
  expect(() => readHuggingFaceFolder(path)).toThrow('another part of the model holds it too');
  writeFileSync(join(path, 'model.safetensors.index.json'), '{"weight_map":{"a":"../llama/model.safetensors"}}');
  expect(() => readHuggingFaceFolder(path)).toThrow('weight_map must name files of the folder');
});

test('what is missing or broken is named with its path', () => {
  const path = copy('broken');
  expect(() => readHuggingFaceFolder(path)).toThrow(`${join(path, 'model.safetensors')}: file: there is no such file`);
  writeFileSync(join(path, 'config.json'), '{');
  expect(() => readHuggingFaceFolder(path)).toThrow(`${join(path, 'config.json')}: it is not valid JSON`);
  rmSync(join(path, 'config.json'));
  expect(() => readHuggingFaceFolder(path)).toThrow(`${join(path, 'config.json')}: there is no such file`);
});

test('half-precision files read as f32', () => {
  const path = copy('half');
  const gain: HostTensor = { dtype: 'f16', shape: [32], data: new Uint16Array(32).fill(0x4000) };
  writeSafetensors(join(path, 'model.safetensors'), new Map([...whole(), ['model.norm.weight', gain]]));
  expect([...readHuggingFaceFolder(path).weights.get('finalNorm.weight')!.data]).toEqual(Array.from({ length: 32 }, () => 2));
});

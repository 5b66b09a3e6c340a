import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fromHalf } from '@ashlar/tensor';
import type { HostTensor } from './index.js';
import { loadHuggingFace, openSafetensors, readSafetensorsFile, saveHuggingFace, writeSafetensors } from './node.js';

const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url)), names = readdirSync(fixtures), llama = join(fixtures, 'llama');
let folder: string;
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'ashlar-folder-')); });
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function copy(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  cpSync(join(llama, 'config.json'), join(path, 'config.json'));
  return path;
}

const json = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
const whole = () => readSafetensorsFile(join(llama, 'model.safetensors')).tensors;
const valuesOf = async (path: string) => new Map(await Promise.all([...loadHuggingFace(path).model.namedParameters()].map(async ([name, parameter]) => [name, await parameter.read()] as const)));

function writeParts(path: string, parts: Record<string, [string, HostTensor][]>): void {
  const places: Record<string, string> = {};
  for (const [part, tensors] of Object.entries(parts)) {
    writeSafetensors(join(path, part), new Map(tensors));
    for (const [name] of tensors) places[name] = part;
  }
  writeFileSync(join(path, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map: places }));
}

describe.each(names)('%s', (name) => {
  test('written again, it has the same tensors under the same names, and a config.json that reads the same', async () => {
    const from = join(fixtures, name), to = join(folder, `again-${name}`), loaded = loadHuggingFace(from);
    await saveHuggingFace(to, loaded);
    expect(readSafetensorsFile(join(to, 'model.safetensors'))).toEqual(readSafetensorsFile(join(from, 'model.safetensors')));
    const { model: _, ...rest } = loaded, { model: __, ...restAgain } = loadHuggingFace(to);
    expect(restAgain).toEqual(rest);
    expect(await valuesOf(to)).toEqual(await valuesOf(from));
    // What the other side's config says, ours says too, wherever both have the key.
    const theirs = json(join(from, 'config.json')), ours = json(join(to, 'config.json'));
    for (const key of Object.keys(ours).filter((one) => one in theirs && theirs[one] !== null)) expect([key, ours[key]]).toEqual([key, theirs[key]]);
  });

  test.each(['f16', 'bf16'] as const)('as %s, it comes back rounded', async (storage) => {
    const from = join(fixtures, name), to = join(folder, `${storage}-${name}`);
    await saveHuggingFace(to, loadHuggingFace(from), { storage });
    using file = openSafetensors(join(to, 'model.safetensors'));
    for (const { dtype } of file.tensors.values()) expect(dtype).toBe(storage.toUpperCase());
    const back = await valuesOf(to), exact = await valuesOf(from), error = storage === 'f16' ? 2 ** -11 : 2 ** -8;
    for (const [parameter, values] of exact) expect(values.findIndex((value, i) => Math.abs(back.get(parameter)![i]! - value) > Math.max(error * Math.abs(value), 2 ** -24)), parameter).toBe(-1);
  });

  test('in parts, it is the same model', async () => {
    const from = join(fixtures, name), to = join(folder, `parts-${name}`);
    await saveHuggingFace(to, loadHuggingFace(from), { partBytes: 30_000 });
    const files = readdirSync(to).filter((file) => file.endsWith('.safetensors')), index = json(join(to, 'model.safetensors.index.json')) as { metadata: { total_size: number }; weight_map: Record<string, string> };
    expect(files.length).toBeGreaterThan(2);
    expect(files[0]).toBe(`model-00001-of-${String(files.length).padStart(5, '0')}.safetensors`);
    const tensors = new Map(files.flatMap((file) => [...readSafetensorsFile(join(to, file)).tensors].map(([tensor, value]) => [tensor, { file, value }] as const)));
    expect(index.weight_map).toEqual(Object.fromEntries([...tensors].map(([tensor, { file }]) => [tensor, file])));
    expect(index.metadata.total_size).toBe([...tensors.values()].reduce((sum, { value }) => sum + value.data.byteLength, 0));
    expect(await valuesOf(to)).toEqual(await valuesOf(from));
  });
});

test('config.json tells floats from whole numbers, as Python does', async () => {
  const path = join(folder, 'floats');
  await saveHuggingFace(path, loadHuggingFace(llama));
  const text = readFileSync(join(path, 'config.json'), 'utf8');
  for (const line of ['"rope_theta": 10000.0,', '"attention_dropout": 0.0,', '"hidden_size": 32,', '"initializer_range": 0.02,']) expect(text).toContain(line);
});

test('rounding to bf16 is to the nearest, ties to even', async () => {
  const path = copy('rounding'), loaded = loadHuggingFace(llama), gain = loaded.model.namedParameters().get('finalNorm.gain')!;
  const values = [1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20, -1 - 2 ** -8, 2 ** -130, NaN, -Infinity], expected = [1, 1, 1 + 2 ** -6, 1 + 2 ** -7, -1, 2 ** -130, NaN, -Infinity];
  gain.write(Float32Array.from({ length: 32 }, (_, i) => values[i] ?? 0));
  rmSync(join(path, 'config.json'));
  await saveHuggingFace(path, loaded, { storage: 'bf16' });
  expect([...(await valuesOf(path)).get('finalNorm.gain')!.slice(0, 8)]).toEqual(expected);
});

test('what half precision cannot hold is refused', async () => {
  const loaded = loadHuggingFace(llama), gain = loaded.model.namedParameters().get('finalNorm.gain')!;
  gain.write(new Float32Array(32).fill(70_000));
  await expect(saveHuggingFace(join(folder, 'large'), loaded, { storage: 'f16' })).rejects.toThrow('tensor "model.norm.weight": element 0 is 70000, which f16 cannot hold; store it as bf16 or f32');
});

test('a folder that holds something is left alone', async () => {
  const path = copy('used');
  await expect(saveHuggingFace(path, loadHuggingFace(llama))).rejects.toThrow(`${path}: it must be empty, as files of another model would be read with the new ones; it holds config.json`);
  expect(readdirSync(path)).toEqual(['config.json']);
});

test('indexes of parts that lie are refused', () => {
  const path = copy('index'), tensors = [...whole()], index = join(path, 'model.safetensors.index.json');
  writeParts(path, { 'model-1.safetensors': tensors.slice(0, 9), 'model-2.safetensors': tensors.slice(9) });
  const honest = json(index) as { weight_map: Record<string, string> };
  expect(loadHuggingFace(path).model.parameterCount).toBe(loadHuggingFace(llama).model.parameterCount);
  const lie = (map: unknown) => writeFileSync(index, JSON.stringify({ weight_map: map }));
  for (const name of ['../llama/model.safetensors', '/etc/passwd', '..', '.', '', 'a\\model.safetensors', 'model.safetensors\0', 7, null, ['model-1.safetensors'], 'model.safetensors.index.json', 'config.json']) {
    lie({ ...honest.weight_map, a: name });
    expect(() => loadHuggingFace(path), String(name)).toThrow(`${index}: weight_map must name safetensors files of the folder`);
  }
  lie({ ...honest.weight_map, 'model.norm.weight': 'model-1.safetensors' });
  expect(() => loadHuggingFace(path)).toThrow('tensor "model.norm.weight": model.safetensors.index.json says that it is here, and it is not');
  lie({ ...honest.weight_map, a: 'model-3.safetensors' });
  expect(() => loadHuggingFace(path)).toThrow('model-3.safetensors: file: there is no such file');
  for (const none of [{}, null, 'all', []]) {
    lie(none);
    expect(() => loadHuggingFace(path)).toThrow('weight_map names no file');
  }
  lie(Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`t${i}`, `part-${i}.safetensors`])));
  expect(() => loadHuggingFace(path)).toThrow('a model may be in 1000 parts, weight_map names 1001');
  writeParts(path, { 'model-1.safetensors': tensors.slice(0, 10), 'model-2.safetensors': tensors.slice(9) });
  expect(() => loadHuggingFace(path)).toThrow('another part of the model holds it too');
});

test('what is missing or broken is named with its path', () => {
  const path = copy('broken'), config = join(path, 'config.json');
  expect(() => loadHuggingFace(path)).toThrow(`${join(path, 'model.safetensors')}: file: there is no such file`);
  cpSync(join(llama, 'model.safetensors'), join(path, 'model.safetensors'));
  writeFileSync(config, '{');
  expect(() => loadHuggingFace(path)).toThrow(`${config}: it is not valid JSON`);
  writeFileSync(config, `{"model_type":${'['.repeat(1e6)}${']'.repeat(1e6)}}`);
  expect(() => loadHuggingFace(path)).toThrow(`${config}: it is nested more than 200 deep`);
  writeFileSync(config, JSON.stringify({ ...json(join(llama, 'config.json')), num_hidden_layers: 1e9 }));
  expect(() => loadHuggingFace(path)).toThrow(`${config}: it says 1000000000 layers, and ${join(path, 'model.safetensors')} has 21 tensors`);
  writeFileSync(config, JSON.stringify({ ...json(join(llama, 'config.json')), vocab_size: 1e12 }));
  expect(() => loadHuggingFace(path)).toThrow('its shape must be [1000000000000, 32] by the model\'s config, got [61, 32]');
  rmSync(config);
  expect(() => loadHuggingFace(path)).toThrow(`${config}: there is no such file`);
  mkdirSync(config);
  expect(() => loadHuggingFace(path)).toThrow(`${config}: it is no regular file`);
});

test('half-precision files read as f32', async () => {
  const path = copy('half'), gain: HostTensor = { dtype: 'f16', shape: [32], data: new Uint16Array(32).fill(0x4000) };
  writeSafetensors(join(path, 'model.safetensors'), new Map([...whole(), ['model.norm.weight', gain]]));
  expect((await valuesOf(path)).get('finalNorm.gain')!).toEqual(new Float32Array(32).fill(fromHalf(0x4000)));
  expect(basename(path)).toBe('half');
});

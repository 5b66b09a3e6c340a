import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeSafetensors } from '@ashlar/hub/node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveConfig, resolveConfigFile } from '../config/resolve.js';
import { prepareMaterials } from './prepare.js';

let folder: string;
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'ashlar-classification-')); });
afterAll(() => rmSync(folder, { recursive: true }));

const chapters = 20;
/** Two texts a chapter, one a label; a text says its chapter. */
const examples = Array.from({ length: chapters }, (_, chapter) => ['low', 'high'].map((label) => ({ text: `${label === 'low' ? 'aba aba' : 'coc coc'} ${chapter}.`, label, group: String(chapter) }))).flat();

function materialsOf(task: string, head: object, data: object = {}, more: object = {}) {
  const source = join(folder, 'chapters.jsonl');
  writeFileSync(source, examples.map((one) => JSON.stringify(one)).join('\n'));
  return prepareMaterials(resolveConfig({
    task, model: { modelType: 'encoder', width: 8, depth: 1, attention: { type: 'multiHead', heads: 2 }, positional: 'rotary', norm: 'rmsNorm', feedForward: 'mlp', head },
    data: { source, tokenizer: { type: 'bytePairs', vocabularySize: 270 }, validation: 0.2, ...data }, training: { steps: 5, batch: 2, context: 16, learningRate: { peak: 1e-3 }, ...more },
  }, { set: [] }, 'test'));
}

/** The chapters whose texts are trained on, as the batches say. */
async function trainedChapters(labelled: number): Promise<Set<string>> {
  using materials = await materialsOf('classification', { type: 'classes' }, { labelled });
  const { batches: made, tokenizer, amounts } = materials, batches = made(), seen = new Set<string>();
  expect(amounts).toEqual([['texts to train on', 2 * labelled], ['without labels', 2 * (16 - labelled)], ['held out', 8], ['labels', 2]]);
  for (let step = 0; step < 60; step++) {
    const { tokens, padding, targets, shape: [B, T] } = batches.batchAt(step);
    for (let row = 0; row < B; row++) {
      const [, words, chapter] = /^(.*) (\d+)\.$/.exec(tokenizer.decode(tokens.subarray(row * T, (row + 1) * T).filter((_, i) => padding![row * T + i] === 0)))!;
      expect(targets[row], words).toBe(words === 'coc coc' ? 0 : 1);
      seen.add(chapter!);
    }
  }
  return seen;
}

describe('data.labelled', () => {
  test('labels are learned from so many groups, those of fewer among those of more; what is held out does not change', async () => {
    const [three, six, all] = await Promise.all([3, 6, 16].map(trainedChapters));
    expect([three!.size, six!.size, all!.size]).toEqual([3, 6, 16]);
    expect([...three!].every((one) => six!.has(one)) && [...six!].every((one) => all!.has(one))).toBe(true);
  });

  test('the tokenizer is learned from the texts without labels too: it is that of a masked language model of the same data', async () => {
    using masked = await materialsOf('maskedLanguageModel', { type: 'language' });
    using few = await materialsOf('classification', { type: 'classes' }, { labelled: 1 });
    expect(few.tokenizer.toJSON()).toEqual(masked.tokenizer.toJSON());
  });

  test('more groups than there are, and other tasks, are refused', async () => {
    await expect(materialsOf('classification', { type: 'classes' }, { labelled: 17 })).rejects.toThrow('data.labelled must be at most 16, the number of groups that are trained on, got 17');
    expect(() => materialsOf('maskedLanguageModel', { type: 'language' }, { labelled: 3 })).toThrow('data.labelled is for classification, and this is maskedLanguageModel; leave it out');
  });
});

test('a classifier that begins from a masked language model has its tokens and its table; other tokens are refused', async () => {
  using masked = await materialsOf('maskedLanguageModel', { type: 'language' });
  const parameters = await Promise.all([...masked.model.namedParameters()].map(async ([name, parameter]) => [name, { dtype: parameter.dtype, shape: parameter.shape, data: await parameter.read() }] as const));
  writeSafetensors(join(folder, 'model.safetensors'), new Map(parameters), {});
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(masked.tokenizer.toJSON()));
  writeFileSync(join(folder, 'config.json'), JSON.stringify(masked.config));
  const begun = (data: object = {}, seed = 2) => materialsOf('classification', { type: 'classes' }, data, { from: folder, seed });
  using classifier = await begun({ labelled: 2 });
  const table = classifier.model.namedParameters().get('tokens.weight')!;
  expect(table.shape).toEqual([masked.tokenizer.vocabularySize + 1, 8]);
  expect(await table.read()).toEqual(new Map(parameters).get('tokens.weight')!.data);
  await expect(begun({ tokenizer: { type: 'bytePairs', vocabularySize: 260 } })).rejects.toThrow(/training\.from: the run in .* has other tokens than the data\.tokenizer of this one; leave data\.tokenizer out to take those of the run/);
});

test('the configs of language-id differ in what is learned alone: parameters, tokens and held-out texts are the same', () => {
  const [all, few, pretraining] = ['language-id', 'language-id-few-labels', 'language-id-pretraining'].map((name) => {
    const { model: { maxLength, head, dropout, ...model }, data: { labelled, ...data } } = resolveConfigFile(fileURLToPath(new URL(`../../../../configs/${name}.json`, import.meta.url)), { set: [] }) as ReturnType<typeof resolveConfig> & { model: { head?: unknown } };
    return { model, data };
  });
  expect(few).toEqual(all);
  expect(pretraining).toEqual(all);
});

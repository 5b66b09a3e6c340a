import { readFileSync, writeFileSync } from 'node:fs';
import { readSafetensorsFile } from '@ashlar/hub/node';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ashlar, launch, playground, rowsOf, type Playground } from '../test/ashlar-process.js';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

let ground: Playground;
beforeAll(() => { ground = playground(); });
afterAll(() => ground.remove());

const layers = { width: 16, depth: 1, attention: { type: 'multiHead', heads: 2 }, positional: 'learned', norm: 'layerNorm', feedForward: 'mlp' };
const training = { steps: 120, batch: 8, context: 12, learningRate: { peak: 0.02, warmup: 5 }, logEvery: 1, evaluateEvery: 60, checkpointEvery: 30 };
const letters = 'abcdefgh';
/** 240 words of three letters. */
const words = Array.from({ length: 240 }, (_, i) => [64, 8, 1].map((place) => letters[Math.floor(((i * 37) % 512) / place) % 8]).join(''));
/** The label: whether a word begins in the first half of the letters. The target: its letters as capitals. */
const classified = words.map((text) => ({ text, label: text[0]! < 'e' ? 'early' : 'late' })), pairs = words.map((source) => ({ source, target: [...source].join(' ').toUpperCase() }));

function configOf(name: string, task: string, model: object, lines: readonly object[], data: object = {}, more: object = {}, rest: object = {}): string {
  writeFileSync(ground.at(`${name}.jsonl`), lines.map((line) => JSON.stringify(line)).join('\n'));
  writeFileSync(ground.at(`${name}.json`), JSON.stringify({ task, model: { ...layers, ...model }, data: { source: `${name}.jsonl`, ...data }, training: { ...training, ...more }, ...rest }));
  return ground.at(`${name}.json`);
}

const published = { results: [{ source: 'Someone 1999', tokenErrorRate: 0.0123, sequenceErrorRate: 0.045 }], note: 'on other words' };
const encoder = (head: object): object => ({ modelType: 'encoder', vocabulary: 10, head });

describe.each([
  ['classification', () => configOf('labels', 'classification', encoder({ type: 'classes', pooling: 'first' }), classified), ({ accuracy }: Numbers) => accuracy! > 0.9, 'naive Bayes'],
  ['maskedLanguageModel', () => configOf('hidden', 'maskedLanguageModel', encoder({ type: 'language' }), classified), ({ valLoss }: Numbers) => valLoss < Math.log(10), 'perplexity'],
  ['sequenceToSequence', () => configOf('pairs', 'sequenceToSequence', { modelType: 'encoderDecoder', crossAttention: { type: 'cross', heads: 2 } }, pairs, { targetTokenizer: 'symbol' }, { sourceContext: 8 }, { published }), ({ valLoss, tokenErrorRate, sequenceErrorRate, sources }: Numbers) => valLoss < 1.4 && sources === 24 && tokenErrorRate! < 7 / 8 && sequenceErrorRate! >= tokenErrorRate! / 2, 'token errors 1.23 %, targets wrong 4.50 %: Someone 1999'],
] as const)('ashlar train, resume and eval: %s', (name, config, good, told) => {
  test('learns; goes on after it was killed with exactly the same losses; eval gives the numbers of the report', async () => {
    const train = (out: string) => ['train', '--config', config(), '--device', 'wasm', '--json', '--out', ground.at(out)];
    const whole = await ashlar(train(`${name}-whole`));
    expect(whole).toMatchObject({ code: 0, byItself: true });
    const killed = launch(train(`${name}-killed`));
    await killed.lines(45);
    killed.child.kill('SIGKILL');
    await killed.ended;
    const resumed = await ashlar(['train', '--resume', '--device', 'wasm', '--json', '--out', ground.at(`${name}-killed`)]);
    expect(resumed).toMatchObject({ code: 0, stderr: expect.stringMatching(/going on after step \d+/) });
    const rows = rowsOf(ground.at(`${name}-whole`, 'metrics.jsonl'));
    expect(rowsOf(ground.at(`${name}-killed`, 'metrics.jsonl'))).toEqual(rows);
    expect(readSafetensorsFile(ground.at(`${name}-killed`, 'model.safetensors')).tensors).toEqual(readSafetensorsFile(ground.at(`${name}-whole`, 'model.safetensors')).tensors);

    const evaluated = await ashlar(['eval', '--run', ground.at(`${name}-whole`), '--device', 'wasm', '--json']), numbers = JSON.parse(evaluated.stdout) as Numbers;
    expect(numbers.valLoss).toBeCloseTo(rows.at(-1)!.valLoss!, 5);
    expect(good(numbers), evaluated.stdout).toBe(true);
    expect(readFileSync(ground.at(`${name}-whole`, 'report.html'), 'utf8')).toContain(told);
  });
});

type Numbers = Readonly<Record<string, number>> & { readonly valLoss: number };

describe('configs of tasks', () => {
  test('a classifier begins from a masked language model, and says what it cannot take', async () => {
    const config = configOf('labels', 'classification', encoder({ type: 'classes', pooling: 'first' }), classified);
    const train = (...more: string[]) => ashlar(['train', '--config', config, '--device', 'wasm', '--json', '--set', 'training.steps=6', '--out', ground.at(`from-${more.length}`), ...more]);
    const [fresh, begun, wrong] = await Promise.all([train(), train('--set', `training.from=${ground.at('maskedLanguageModel-whole')}`), ashlar(['train', '--config', config, '--set', `training.from=${ground.folder}/none`])]);
    expect([fresh.code, begun.code]).toEqual([0, 0]);
    const losses = [0, 2].map((count) => rowsOf(ground.at(`from-${count}`, 'metrics.jsonl'))[0]!.loss);
    expect(losses[0]).not.toBe(losses[1]);
    expect(wrong).toMatchObject({ code: 3, stderr: expect.stringContaining('training.from: ') });
  });

  test.each([
    ['task=sequenceToSequence', 'task sequenceToSequence does not go with the model, which is for classification'],
    ['sample.tokens=5', 'sample is for languageModel, and this is classification; leave it out'],
    ['data.targetTokenizer=byte', 'data.targetTokenizer is for sequenceToSequence'],
    ['model.head.classes=3', 'model.head.classes must be 2, the number of labels, got 3'],
    ['model.vocabulary=5', 'model.vocabulary must be at least 8'],
    ['data.fields.label=kind', 'example 1 lacks "kind"; it has text, label'],
  ])('%s is refused', async (set, message) => {
    const config = configOf('labels', 'classification', encoder({ type: 'classes', pooling: 'first' }), classified);
    const ended = await ashlar(['train', '--config', config, '--device', 'wasm', '--set', set]);
    expect(ended.stderr).toContain(message);
    expect([2, 3]).toContain(ended.code);
  });
});

// Packed documents and hidden spans, from the config to the numbers.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readSafetensorsFile } from '@ashlar/hub/node';
import { build, type Decoder, type ModelConfigInput } from '@ashlar/models';
import { tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { huggingFaceForm, trainBytePairs } from '@ashlar/text';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ashlar } from '../test/ashlar-in-process.js';
import { playground, rowsOf, type Playground } from '../test/ashlar-process.js';

vi.setConfig({ testTimeout: 120_000 });

let ground: Playground;
beforeAll(() => {
  ground = playground();
  vi.stubEnv('ASHLAR_CACHE', ground.at('cache'));
  writeFileSync(ground.at('stories.jsonl'), stories.map((story, id) => JSON.stringify({ id, story })).join('\n'));
});
afterAll(() => {
  vi.unstubAllEnvs();
  ground.remove();
});

const words = 'the whale sea ship old man of a in water'.split(' ');
const stories = Array.from({ length: 120 }, (_, i) => Array.from({ length: 1 + ((i * 7) % 6) }, (__, j) => words[(i * i + 3 * j) % words.length]).join(' '));

const stack = { width: 16, depth: 1, attention: { type: 'multiHead', heads: 2 }, positional: 'learned', norm: 'layerNorm', feedForward: 'mlp' };
const course = { steps: 60, batch: 4, context: 40, learningRate: { peak: 0.02, warmup: 5 }, logEvery: 1, evaluateEvery: 30, checkpointEvery: 20 };
const packing = { model: { modelType: 'decoder', ...stack }, data: { source: 'stories.jsonl', fields: { text: 'story' }, packing: true }, training: course, sample: { prompt: 'the ', tokens: 40, temperature: 0 } };
const spans = { task: 'spanCorruption', model: { modelType: 'encoderDecoder', ...stack, crossAttention: { type: 'cross', heads: 2 } }, data: { source: 'stories.jsonl', fields: { text: 'story' }, tokenizer: { type: 'bytePairs', vocabularySize: 280 } }, training: course };

function configFile(name: string, config: object): string {
  writeFileSync(ground.at(`${name}.json`), JSON.stringify(config));
  return ground.at(`${name}.json`);
}
const train = (name: string, config: object, ...more: string[]) => ashlar('train', '--config', configFile(name, config), '--device', 'wasm', '--json', '--out', ground.at(name), ...more);

describe.each([['packing', packing], ['spans', spans]] as const)('ashlar train, resume, eval and plan: %s', (name, config) => {
  test('learns; goes on from a checkpoint with exactly the same losses; eval gives the numbers of the training', async () => {
    const trained = await train(name, config);
    expect(trained, trained.stderr).toMatchObject({ code: 0 });
    const rows = rowsOf(ground.at(name, 'metrics.jsonl'));
    const { model } = JSON.parse(readFileSync(ground.at(name, 'config.json'), 'utf8')) as { model: { vocabulary: number } };
    expect(rows.at(-1)!.valLoss).toBeLessThan(Math.log(model.vocabulary) / 2);

    // What a run looks like that was ended before its last checkpoint.
    cpSync(ground.at(name), ground.at(`${name}-ended`), { recursive: true });
    for (const file of ['report.html', 'model.safetensors', 'checkpoint-60.safetensors']) rmSync(ground.at(`${name}-ended`, file));
    expect(readdirSync(ground.at(`${name}-ended`)).filter((file) => file.startsWith('checkpoint'))).toEqual(['checkpoint-40.safetensors']);
    expect(await ashlar('train', '--resume', '--device', 'wasm', '--json', '--out', ground.at(`${name}-ended`))).toMatchObject({ code: 0, stderr: expect.stringContaining('going on after step 40') });
    expect(rowsOf(ground.at(`${name}-ended`, 'metrics.jsonl'))).toEqual(rows);
    expect(readSafetensorsFile(ground.at(`${name}-ended`, 'model.safetensors')).tensors).toEqual(readSafetensorsFile(ground.at(name, 'model.safetensors')).tensors);

    const evaluated = await ashlar('eval', '--run', ground.at(name), '--device', 'wasm', '--json');
    expect(evaluated).toMatchObject({ code: 0 });
    expect((JSON.parse(evaluated.stdout) as { valLoss: number }).valLoss).toBeCloseTo(rows.at(-1)!.valLoss!, 5);
    expect(readFileSync(ground.at(name, 'report.html'), 'utf8')).toContain('perplexity');
    const planned = await ashlar('plan', '--config', ground.at(`${name}.json`), '--device', 'wasm', '--json');
    expect((JSON.parse(planned.stdout) as { parameters: number }).parameters).toBe([...readSafetensorsFile(ground.at(name, 'model.safetensors')).tensors.values()].reduce((sum, { data }) => sum + data.length, 0));
  });
});

describe('packed documents', () => {
  test('their loss is that of each document alone, its end included', async () => {
    const { model: config } = JSON.parse(readFileSync(ground.at('packing', 'config.json'), 'utf8')) as { model: ModelConfigInput }, model = build(config) as Decoder, { tensors } = readSafetensorsFile(ground.at('packing', 'model.safetensors'));
    for (const [name, parameter] of model.namedParameters()) parameter.write(tensors.get(name)!.data);
    // The vocabulary is that of all characters, and one more token; the last tenth is held out.
    const characters = [...new Set(stories.join(''))].sort(), held = stories.slice(-12), device = reference();
    let sum = 0, predictions = 0, count = 0;
    for (const story of held) {
      const tokens = [...[...story].map((character) => characters.indexOf(character)), characters.length], row = (from: number, to?: number) => tensor(Int32Array.from(tokens.slice(from, to)), { shape: [1, tokens.length - 1] });
      sum += (await model.loss(row(0, -1), row(1)).item(device)) * (tokens.length - 1);
      predictions += tokens.length - 1;
      count += story.length - 1;
    }
    const evaluated = JSON.parse((await ashlar('eval', '--run', ground.at('packing'), '--device', 'wasm', '--json')).stdout) as Record<string, number>;
    expect(evaluated).toMatchObject({ predictions, part: 'held out' });
    expect(evaluated['valLoss']).toBeCloseTo(sum / predictions, 5);
    expect(evaluated['bitsPerCharacter']).toBeCloseTo(sum / Math.LN2 / count, 4);
  });

  test('a text that is written ends where the model ends it', async () => {
    const written = await ashlar('generate', '--run', ground.at('packing'), '--device', 'wasm', '--prompt', 'the ', '--tokens', '40', '--temperature', '0');
    expect(written).toMatchObject({ code: 0 });
    expect(written.stdout.trimEnd().length).toBeLessThan(44);
  });

  test('paragraphs of plain text, in parts, by linear attention; another text is packed too', async () => {
    writeFileSync(ground.at('stories.txt'), stories.join('\n\n'));
    const { model, ...rest } = packing, config = { ...rest, model: { ...model, attention: { type: 'linearAttention', heads: 2 } }, data: { source: 'stories.txt', packing: true, sampleBy: 'paragraph' }, training: { ...course, steps: 10 } };
    const [whole, parts] = [await train('paragraphs', config), await train('parts', config, '--set', 'training.microBatches=2')];
    expect([whole.code, parts.code], whole.stderr + parts.stderr).toEqual([0, 0]);
    rowsOf(ground.at('parts', 'metrics.jsonl')).forEach(({ loss }, i) => expect(loss).toBeCloseTo(rowsOf(ground.at('paragraphs', 'metrics.jsonl'))[i]!.loss, 4));
    writeFileSync(ground.at('other.txt'), 'the whale\n\nship of the sea');
    const evaluated = await ashlar('eval', '--run', ground.at('paragraphs'), '--device', 'wasm', '--json', '--data', ground.at('other.txt'));
    expect(JSON.parse(evaluated.stdout)).toMatchObject({ part: 'whole text', predictions: 'the whale'.length + 'ship of the sea'.length });
  });
});

test("documents end with the tokenizer's own end, where a folder of Hugging Face names one", async () => {
  const own = trainBytePairs([stories.join('\n')], { vocabularySize: 270 }), { tokenizer, config } = huggingFaceForm(own);
  mkdirSync(ground.at('hf'));
  writeFileSync(ground.at('hf', 'tokenizer.json'), JSON.stringify(tokenizer));
  const at = (out: string) => train(out, { ...packing, data: { ...packing.data, tokenizer: { type: 'file', path: 'hf/tokenizer.json' } }, training: { ...course, steps: 6 } });
  const without = await at('without-end');
  writeFileSync(ground.at('hf', 'tokenizer_config.json'), JSON.stringify(config));
  const withEnd = await at('with-end');
  expect([without.code, withEnd.code], without.stderr + withEnd.stderr).toEqual([0, 0]);
  expect(['without-end', 'with-end'].map((run) => (JSON.parse(readFileSync(ground.at(run, 'config.json'), 'utf8')) as { model: { vocabulary: number } }).model.vocabulary)).toEqual([own.vocabularySize + 1, own.vocabularySize]);
});

describe('tables', () => {
  const table = fileURLToPath(new URL('../../../packages/text/fixtures/zstd.parquet', import.meta.url)), texts = Array.from({ length: 20 }, (_, i) => (i % 5 === 4 ? `Über 🍌 ${'whale '.repeat(i)}` : `story ${i % 3}`));

  test('a column is a text, packed or not, and what byte pairs are learned from', async () => {
    const plain = { ...packing, data: { source: table }, training: { ...course, steps: 6 } };
    const [text, packed, learned, none] = [await train('table', plain), await train('packed-table', plain, '--set', 'data.packing=true'), await ashlar('tokenizer', 'train', '--data', table, '--field', 'label', '--vocabulary', '270', '--out', ground.at('labels.json')), await train('none', plain, '--set', 'data.fields.text=id')];
    expect([text.code, packed.code, learned.code], text.stderr + packed.stderr + learned.stderr).toEqual([0, 0, 0]);
    const characters = [...texts.join('\n\n')].length, inPacked = texts.reduce((sum, one) => sum + [...one].length + 1, 0);
    expect(text.stderr).toContain(`tokens to train on ${Math.floor(characters * 0.9)}, held out ${characters - Math.floor(characters * 0.9)}`);
    expect(packed.stderr).toContain(`documents 20, tokens to train on ${(inPacked - [...texts[18]!, ...texts[19]!].length - 2).toLocaleString('en')}`);
    expect(JSON.parse(readFileSync(ground.at('labels.json'), 'utf8'))).toEqual(trainBytePairs([texts.map((_, i) => (i % 2 ? 'odd' : 'even')).join('\n\n')], { vocabularySize: 270 }).toJSON());
    expect(none).toMatchObject({ code: 3, stderr: expect.stringContaining('the column "id" holds INT64, not strings; columns of strings: "text", "label"') });
  });

  test('rows are examples', async () => {
    const config = { model: { modelType: 'encoder', ...stack, head: { type: 'classes', pooling: 'first' } }, data: { source: table, tokenizer: 'byte', fields: { group: 'id' } }, training: { ...course, steps: 6 } };
    const ended = await train('examples', config);
    expect(ended, ended.stderr).toMatchObject({ code: 0, stderr: expect.stringContaining('texts to train on 18, held out 2, labels 2') });
  });
});

describe('hidden spans', () => {
  test('sources and targets share a vocabulary: that of the tokenizer, the two ends of targets, and a token for each span', () => {
    const { model, data } = JSON.parse(readFileSync(ground.at('spans', 'config.json'), 'utf8')) as { model: Record<string, unknown>; data: Record<string, unknown> };
    const text = stories.join('\n\n'), tokenizer = trainBytePairs([text.slice(0, Math.floor(text.length * 0.9))], { vocabularySize: 280 });
    // Of 40 tokens 6 are hidden, in 2 spans: 34 + 2 and the end are read. One more token is that which begins a target.
    expect(model).toMatchObject({ vocabulary: tokenizer.vocabularySize + 2 + 2, sharedEmbedding: true, maxLength: 37 });
    expect(data['spans']).toEqual({ share: 0.15, meanSpan: 3 });
  });

  test('of another text too', async () => {
    writeFileSync(ground.at('plain.txt'), stories.slice(0, 30).join('\n\n'));
    writeFileSync(ground.at('some.jsonl'), stories.slice(0, 30).map((story) => JSON.stringify({ story })).join('\n'));
    const measured = (data: string) => ashlar('eval', '--run', ground.at('spans'), '--device', 'wasm', '--json', '--data', ground.at(data));
    const [plain, lines] = [await measured('plain.txt'), await measured('some.jsonl')];
    expect([plain.code, lines.code], plain.stderr + lines.stderr).toEqual([0, 0]);
    const [one, other] = [plain, lines].map(({ stdout }) => JSON.parse(stdout) as Record<string, unknown>);
    expect(one).toMatchObject({ part: 'whole text', source: ground.at('plain.txt') });
    expect(other).toEqual({ ...one, source: ground.at('some.jsonl') });
  });

  test('what was learned is where a training on pairs begins', async () => {
    writeFileSync(ground.at('pairs.jsonl'), stories.map((source) => JSON.stringify({ source, target: source.split(' ')[0] })).join('\n'));
    const begun = await train('pairs', { data: { source: 'pairs.jsonl' }, training: { ...course, steps: 6, context: 20, sourceContext: 37 } }, '--set', `training.from=${ground.at('spans')}`);
    expect(begun, begun.stderr).toMatchObject({ code: 0 });
    const [before, after] = ['spans', 'pairs'].map((name) => [...readSafetensorsFile(ground.at(name, 'model.safetensors')).tensors].map(([tensorName, { shape }]) => [tensorName, shape]));
    expect(after).toEqual(before);
  });
});

describe('refused', () => {
  test.each([
    ['data.packing=true', spans, 'data.packing is for languageModel, and this is spanCorruption; leave it out'],
    ['data.sampleBy=line', packing, 'data.sampleBy is for plain text, and'],
    ['data.packing=false', { ...packing, data: { ...packing.data, sampleBy: 'line' } }, 'data.sampleBy says what a document is, which counts where documents are packed alone'],
    ['data.fields={ label: x }', packing, 'data.fields.label does not go with languageModel, which reads text; leave it out'],
    ['data.fields={ text: stori }', packing, 'stories.jsonl: line 1 must have a string under "stori", and has "id", "story"'],
    ['data.spans.share=0.1', packing, 'data.spans is for spanCorruption, and this is languageModel'],
    ['task=spanCorruption', packing, 'task spanCorruption does not go with the model, which is for languageModel'],
    ['model.maxLength=20', spans, 'training.context of 40 gives sources and targets of up to 37 tokens, and model.maxLength is 20'],
    ['data.tokenizer=symbol', spans, 'data.tokenizer: symbol is for examples'],
    ['model.attention={ type: multiHead, heads: 2, mask: [causal, { type: blockLocal, size: 4 }] }', packing, 'data.packing: multiHead attention takes no segments: put one document in a row'],
    ['training.batch=400', packing, 'batch must be at most the number of rows that the documents fill'],
  ])('%s', async (set, config, message) => {
    const ended = await train('refused', config, '--set', set);
    expect(ended.stderr).toContain(message);
    expect([2, 3]).toContain(ended.code);
  });
});

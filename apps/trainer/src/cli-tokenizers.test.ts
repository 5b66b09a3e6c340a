import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { huggingFaceForm, tokenizerFromJSON, trainBytePairs, type Tokenizer } from '@ashlar/text';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ashlar, launch, playground, rowsOf, type Playground } from '../test/ashlar-process.js';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

let ground: Playground;
beforeAll(() => { ground = playground(); });
afterAll(() => ground.remove());

const book = (): string => readFileSync(ground.at('book.txt'), 'utf8');
const read = (...names: string[]): Tokenizer => tokenizerFromJSON(JSON.parse(readFileSync(ground.at(...names), 'utf8')));
const setTokenizer = (value: object): string[] => ['--set', `data.tokenizer=${JSON.stringify(value)}`];
const train = (out: string, tokenizer: object): string[] => ['train', '--config', ground.config, ...setTokenizer(tokenizer), '--device', 'wasm', '--json', '--out', ground.at(out)];

describe('ashlar tokenizer train', () => {
  test('writes what trainBytePairs learns of the whole text', async () => {
    const { code, stdout } = await ashlar(['tokenizer', 'train', '--data', ground.at('book.txt'), '--vocabulary', '280', '--out', ground.at('pairs.json')]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('pairs.json: 280 tokens, learned from ') });
    expect(read('pairs.json').toJSON()).toEqual(trainBytePairs([book()], { vocabularySize: 280 }).toJSON());
  });

  test('says where the text has no more to learn, and refuses what it cannot do', async () => {
    const learn = (data: string, vocabulary: string, out: string) => ashlar(['tokenizer', 'train', '--data', ground.at(data), '--vocabulary', vocabulary, '--out', ground.at(out)]);
    writeFileSync(ground.at('short.txt'), 'abcabc');
    const [short, few, absent, nowhere] = await Promise.all([learn('short.txt', '300', 'short.json'), learn('book.txt', '256', 'x.json'), learn('none.txt', '300', 'x.json'), learn('book.txt', '300', 'none/x.json')]);
    expect(short).toMatchObject({ code: 0, stdout: expect.stringMatching(/short\.json: 259 tokens, .*; no other pair occurs twice/) });
    expect(few).toMatchObject({ code: 2, stderr: expect.stringContaining('whole number from 257') });
    expect(absent).toMatchObject({ code: 3, stderr: expect.stringContaining('there is no such file') });
    expect(nowhere).toMatchObject({ code: 5, stderr: expect.stringContaining('its folder does not exist') });
  });
});

describe('training with a tokenizer of byte pairs', () => {
  test('from a file: the run keeps it; resume, eval and generate need the file no more', async () => {
    const file = ground.at('own.json'), tokenizer = trainBytePairs([book()], { vocabularySize: 290 });
    writeFileSync(file, JSON.stringify(tokenizer.toJSON()));
    expect(await ashlar(train('file', { type: 'file', path: file }))).toMatchObject({ code: 0 });
    const killed = launch(train('killed', { type: 'file', path: file }));
    await killed.lines(25);
    killed.child.kill('SIGKILL');
    await killed.ended;
    rmSync(file);
    expect(await ashlar(['train', '--resume', '--device', 'wasm', '--json', '--out', ground.at('killed')])).toMatchObject({ code: 0, stderr: expect.stringMatching(/going on after step \d+/) });
    expect(rowsOf(ground.at('killed', 'metrics.jsonl'))).toEqual(rowsOf(ground.at('file', 'metrics.jsonl')));
    expect(read('file', 'tokenizer.json').toJSON()).toEqual(tokenizer.toJSON());
    expect(JSON.parse(readFileSync(ground.at('killed', 'config.json'), 'utf8'))).toMatchObject({ model: { vocabulary: 290 }, data: { tokenizer: { type: 'file', path: file } } });

    const [evaluated, written, gone] = await Promise.all([
      ashlar(['eval', '--run', ground.at('file'), '--device', 'wasm', '--json']),
      ashlar(['generate', '--run', ground.at('file'), '--device', 'wasm', '--prompt', 'the whale', '--tokens', '5', '--temperature', '0']),
      ashlar(train('gone', { type: 'file', path: file })),
    ]);
    const { valLoss, bitsPerCharacter, predictions } = JSON.parse(evaluated.stdout) as Record<string, number>, tokens = [...tokenizer.encode(book())].slice(-(predictions! + 1));
    expect(valLoss).toBeCloseTo(rowsOf(ground.at('file', 'metrics.jsonl')).at(-1)!.valLoss!, 5);
    expect(bitsPerCharacter).toBeCloseTo(valLoss! / Math.LN2 * predictions! / tokenizer.decode(tokens.slice(1)).length, 6);
    expect(written).toMatchObject({ code: 0, stdout: expect.stringMatching(/^the whale./) });
    expect(gone).toMatchObject({ code: 3, stderr: expect.stringContaining(`${file}: there is no such file`) });
  });

  test('learned from the part of the text that is trained on, here a folder', async () => {
    mkdirSync(ground.at('books'));
    writeFileSync(ground.at('books', '1.txt.gz'), gzipSync(book()));
    writeFileSync(ground.at('books', '2.txt'), 'The whale ate the boat.\n');
    expect(await ashlar([...train('learned', { type: 'bytePairs', vocabularySize: 300 }), '--set', 'training.steps=6', '--set', 'data.validation=0.5', '--data', ground.at('books')])).toMatchObject({ code: 0 });
    const text = `${book()}\nThe whale ate the boat.\n`;
    expect(read('learned', 'tokenizer.json').toJSON()).toEqual(trainBytePairs([text.slice(0, Math.floor(text.length / 2))], { vocabularySize: 300 }).toJSON());
    expect(readFileSync(ground.at('learned', 'report.html'), 'utf8')).toContain('bytePairs, at most 300');
  });

  test('of examples too, and a tokenizer.json of Hugging Face', async () => {
    const words = Array.from({ length: 60 }, (_, i) => ({ text: `${'ab'.repeat(1 + (i % 5))} ${i}`, label: i % 2 === 0 ? 'even' : 'odd' }));
    writeFileSync(ground.at('words.jsonl.gz'), gzipSync(words.map((one) => JSON.stringify(one)).join('\n')));
    writeFileSync(ground.at('hf.json'), JSON.stringify(huggingFaceForm(trainBytePairs(['abababab'], { vocabularySize: 258 })).tokenizer));
    const { model, training } = JSON.parse(readFileSync(ground.config, 'utf8')) as { model: object; training: object };
    const config = (name: string, tokenizer: object): string[] => {
      writeFileSync(ground.at(`${name}.json`), JSON.stringify({ model: { ...model, modelType: 'encoder', head: { type: 'classes', pooling: 'first' } }, data: { source: 'words.jsonl.gz', tokenizer }, training: { ...training, steps: 6 } }));
      return ['train', '--config', ground.at(`${name}.json`), '--device', 'wasm', '--json', '--out', ground.at(`${name}-run`)];
    };
    const [learned, file] = await Promise.all([ashlar(config('classes', { type: 'bytePairs', vocabularySize: 270 })), ashlar(config('classes-file', { type: 'file', path: 'hf.json' }))]);
    expect([learned.code, file.code], learned.stderr + file.stderr).toEqual([0, 0]);
    expect([...read('classes-run', 'tokenizer.json').encode('abab')].length).toBeLessThan(4);
    expect([...read('classes-file-run', 'tokenizer.json').encode('abab')]).toEqual([256, 256]);
    expect((await ashlar(['eval', '--run', ground.at('classes-run'), '--device', 'wasm', '--json'])).code).toBe(0);
  });
});

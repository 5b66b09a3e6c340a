/** Models of other programs become runs, and runs go out again; inside this process. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadHuggingFace, readSafetensorsFile, saveHuggingFace } from '@ashlar/hub/node';
import { characterTokenizer } from '@ashlar/text';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadRun } from '../load-run.js';
import { ashlar } from '../../test/ashlar-in-process.js';

const fixtures = fileURLToPath(new URL('../../../../packages/hub/fixtures/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'ashlar-import-')), llama = join(folder, 'my llama'), run = join(folder, 'run');
afterAll(() => rmSync(folder, { recursive: true }));

const text = 'The quick brown fox jumps over the lazy dog.\n';
beforeAll(async () => {
  await saveHuggingFace(llama, { ...loadHuggingFace(join(fixtures, 'llama')), tokenizer: characterTokenizer(text) });
});

describe('a Hugging Face folder', () => {
  test('becomes a run that writes and is measured', async () => {
    expect(await ashlar('import', llama, '--out', run)).toEqual({ code: 0, stdout: `${run}: Hugging Face, llama, 24,032 parameters, ${new Set(text).size} tokens\n`, stderr: '' });
    expect(readdirSync(run).sort()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json']);
    expect(loadRun(run).config).toMatchObject({ name: 'my-llama', model: { vocabulary: 61, maxLength: 24 } });
    const wrote = await ashlar('generate', '--run', run, '--prompt', 'The ', '--tokens', '9', '--top-k', '1', '--seed', '3', '--device', 'wasm');
    expect(wrote).toMatchObject({ code: expect.any(Number), stdout: expect.stringMatching(/^The /) });
    const file = join(folder, 'text.txt');
    writeFileSync(file, text.repeat(3));
    const measured = await ashlar('eval', '--run', run, '--data', file, '--json', '--device', 'wasm');
    expect(JSON.parse(measured.stdout)).toMatchObject({ part: 'whole text', predictions: 3 * text.length - 1, valLoss: expect.closeTo(5.2, -1) });
    expect(await ashlar('eval', '--run', run)).toMatchObject({ code: 2, stderr: expect.stringContaining('the run names no text; use --data FILE') });
  });

  test('goes out again as it came', async () => {
    const out = join(folder, 'again'), { code, stderr } = await ashlar('export', '--run', run, '--format', 'hf', '--out', out);
    expect({ code, stderr }).toEqual({ code: 0, stderr: `${out}: a Hugging Face folder, 24,032 parameters in f32\n` });
    expect(readSafetensorsFile(join(out, 'model.safetensors'))).toEqual(readSafetensorsFile(join(llama, 'model.safetensors')));
    expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))).toEqual(JSON.parse(readFileSync(join(llama, 'config.json'), 'utf8')));
    expect(JSON.parse(readFileSync(join(out, 'tokenizer.json'), 'utf8'))).toEqual(JSON.parse(readFileSync(join(llama, 'tokenizer.json'), 'utf8')));
    expect(await ashlar('export', '--run', run, '--format', 'hf', '--out', out)).toMatchObject({ code: 3, stderr: expect.stringContaining('again: it must be empty') });
    expect(await ashlar('export', '--run', run, '--format', 'hf', '--out', join(folder, 'gpt'), '--family', 'gpt2')).toMatchObject({ code: 3, stderr: expect.stringContaining('as gpt2: attention.type must be "multiHead", got "grouped"') });
    expect(await ashlar('export', '--run', run, '--format', 'hf', '--out', join(folder, 'halves'), '--storage', 'f16', '--length', '4')).toMatchObject({ code: 2, stderr: expect.stringContaining('--length does not go with --format hf') });
  });

  test('what cannot become a run is refused, and nothing is left behind', async () => {
    const out = join(folder, 'none'), refused = async (path: string, code: number, message: string): Promise<void> => {
      expect(await ashlar('import', path, '--out', out)).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(message) });
      expect(existsSync(out)).toBe(false);
    };
    const copy = (name: string, ...files: string[]): string => {
      const path = join(folder, name);
      mkdirSync(path);
      for (const file of files) cpSync(join(llama, file), join(path, basename(file)));
      return path;
    };
    await refused(join(folder, 'nowhere'), 3, 'nowhere: there is no such file or folder');
    await refused(copy('bare', 'config.json', 'model.safetensors'), 3, 'bare: it has no tokenizer.json');
    await refused(copy('weightless', 'config.json', 'tokenizer.json'), 3, 'model.safetensors: file: there is no such file');
    await refused(copy('empty'), 2, 'empty: give a folder with config.json (Hugging Face), a GGUF file (.gguf), or one checkpoint of llama2.c (.bin), got none');
    await refused(join(fixtures, 'bert'), 3, 'bert: it has no tokenizer.json, without which no text can be read; put it there, or name one by --tokenizer');
    const greedy = copy('greedy', 'config.json', 'model.safetensors', 'tokenizer_config.json');
    await saveHuggingFace(join(folder, 'wide'), { ...loadHuggingFace(llama), tokenizer: characterTokenizer(Array.from({ length: 61 }, (_, i) => 0x4e00 + i)) });
    const tokenizer = JSON.parse(readFileSync(join(folder, 'wide', 'tokenizer.json'), 'utf8')) as { model: { vocab: Record<string, number> } };
    tokenizer.model.vocab['x'] = 61;
    writeFileSync(join(greedy, 'tokenizer.json'), JSON.stringify(tokenizer));
    await refused(greedy, 3, 'the tokenizer has 62 tokens, and the model knows 61: they do not belong together');
    writeFileSync(join(greedy, 'tokenizer.json'), '[]');
    await refused(greedy, 3, 'tokenizer.json: ');
    expect(await ashlar('import', llama, '--out', run)).toMatchObject({ code: 2, stderr: expect.stringContaining('--out') });
  });
});

const stories = fileURLToPath(new URL('../../../../../shared/data/stories260K', import.meta.url));
describe('stories260K', () => {
  for (const [name, paths] of Object.entries({ 'the folder': [stories], 'the checkpoint and its tokenizer': [join(stories, 'stories260K.bin'), join(stories, 'tok512.bin')], 'the checkpoint alone': [join(stories, 'stories260K.bin')] })) {
    test(`from ${name}, tells its story`, async (context) => {
      if (!existsSync(stories)) return context.skip('../shared/data/stories260K is not here');
      const out = join(folder, name.replaceAll(' ', '-'));
      expect(await ashlar('import', ...paths, '--out', out)).toMatchObject({ code: 0, stdout: expect.stringMatching(/260,032 parameters, 512 tokens\n$/) });
      for (const device of name === 'the folder' ? ['wasm', 'webgpu'] : ['wasm']) {
        const { code, stdout } = await ashlar('generate', '--run', out, '--prompt', '', '--tokens', '200', '--temperature', '0', '--device', device);
        expect({ code, stdout }).toEqual({ code: 0, stdout: readFileSync(join(stories, 'greedy-200.txt'), 'utf8') });
      }
    });
  }

  test('goes out as GGUF and comes back', async (context) => {
    if (!existsSync(stories)) return context.skip('../shared/data/stories260K is not here');
    const one = join(folder, 'gguf-one'), two = join(folder, 'gguf-two'), path = join(folder, 'stories.gguf');
    await ashlar('import', stories, '--out', one);
    expect(await ashlar('export', '--run', one, '--format', 'gguf', '--out', path)).toMatchObject({ code: 0, stderr: `${path}: GGUF, 260,032 parameters in f32\n` });
    expect(await ashlar('import', path, '--out', two)).toMatchObject({ code: 0, stdout: `${two}: GGUF, 260,032 parameters, 512 tokens\n` });
    expect(Buffer.compare(readFileSync(join(two, 'model.safetensors')), readFileSync(join(one, 'model.safetensors')))).toBe(0);
    expect(loadRun(two).tokenizer.encode('One day, Lily')).toEqual(loadRun(one).tokenizer.encode('One day, Lily'));
    expect(await ashlar('export', '--run', one, '--format', 'gguf', '--out', path, '--family', 'llama')).toMatchObject({ code: 2, stderr: expect.stringContaining('--family does not go with --format gguf') });
  });
});

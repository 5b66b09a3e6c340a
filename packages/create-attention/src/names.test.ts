import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAttention, namesOf, renamed, templateFiles } from './index.js';

const released = Object.fromEntries(['attention', 'conformance', 'models', 'nn', 'tensor', 'wasm'].map((name) => [`@ashlar/${name}`, '1.2.3']).concat([['zod', '4.0.0'], ['vitest', '4.0.0'], ['typescript', '7.0.0'], ['@types/node', '20.0.0']]));

describe('names', () => {
  test('have their forms', () => {
    expect(namesOf('my-attention')).toEqual({ package: 'my-attention', file: 'my-attention', camel: 'myAttention', pascal: 'MyAttention' });
    expect(namesOf('@me/one-2-x')).toEqual({ package: '@me/one-2-x', file: 'one-2-x', camel: 'one2X', pascal: 'One2X' });
  });
  test.each([
    ['MyAttention', 'such as my-attention, got "MyAttention"'], ['my_attention', 'such as my-attention'], ['-x', 'such as x'], ['2d', 'such as d'], ['', 'such as my-attention'], ['a/b', 'lower-case words'], ['../x', 'lower-case words'], ['a--b', 'such as a-b'],
    ['class', '"class" is a word of JavaScript; choose another name, such as class-attention'], ['let', 'is a word'],
  ])('%s is refused', (name, message) => { expect(() => namesOf(name)).toThrow(message); });
  test('any text is a name whose forms are words, or refused with a reason', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z0-9-]{1,12}$/)), (text) => {
      try {
        const { camel, pascal, file } = namesOf(text);
        expect(`${camel} ${pascal} ${file}`).toMatch(/^[a-z][a-zA-Z0-9]* [A-Z][a-zA-Z0-9]* [a-z][a-z0-9-]*$/);
      } catch (error) { expect((error as Error).message).toMatch(/must be lower-case words|is a word of JavaScript/); }
    }));
  });
  test.each(['fading', 'nearby', 'x', 'expect'])('%s stands for something in the code', (name) => {
    expect(() => renamed(templateFiles(), namesOf(name))).toThrow(`"${name}" stands for something else in the code of a variant; choose another name, such as ${name}-attention`);
  });
});

describe('a package', () => {
  let parent: string;
  beforeAll(() => { parent = mkdtempSync(join(tmpdir(), 'ashlar-create-')); });
  afterAll(() => rmSync(parent, { recursive: true, force: true }));

  test('is written whole, with the names and versions', () => {
    const { folder, files } = createAttention('@me/far-sight', parent, released);
    expect(readdirSync(folder, { recursive: true, encoding: 'utf8' })).toEqual(expect.arrayContaining([...files]));
    expect(files).toEqual(expect.arrayContaining(['.gitignore', 'src/far-sight.ts', 'src/far-sight.test.ts', 'src/test/far-sight-reference.ts', 'bench/far-sight.bench.ts', 'README.md']));
    for (const file of files) expect(readFileSync(join(folder, file), 'utf8')).not.toMatch(/my-?attention/i);
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, Record<string, string>>;
    expect(manifest).toMatchObject({ name: '@me/far-sight', peerDependencies: { '@ashlar/attention': '^1.2.3' }, devDependencies: { '@ashlar/wasm': '^1.2.3', vitest: '4.0.0' }, dependencies: { zod: '^4.0.0' } });
  });
  test('is not written over another, nor in part', () => {
    mkdirSync(join(parent, 'kept'));
    writeFileSync(join(parent, 'kept', 'mine'), 'mine');
    const before = readdirSync(parent, { recursive: true, encoding: 'utf8' }).sort();
    expect(() => createAttention('kept', parent, released)).toThrow('is there already and is not empty');
    expect(() => createAttention('fading', parent, released)).toThrow('stands for something else');
    expect(() => createAttention('other', parent)).toThrow('run the published package (npm create ashlar-attention), not its sources');
    expect(readdirSync(parent, { recursive: true, encoding: 'utf8' }).sort()).toEqual(before);
    mkdirSync(join(parent, 'empty'));
    expect(createAttention('empty', parent, released).files.length).toBeGreaterThan(8);
  });
});

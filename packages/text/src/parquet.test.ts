// The fixtures were written by another library than the one that is used to read: see fixtures/README.md.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findText, readDocuments, readRows, TextFileError, type DocumentOptions } from './node.js';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}.parquet`, import.meta.url));
const texts = Array.from({ length: 20 }, (_, i) => (i % 5 === 4 ? `Über 🍌 ${'whale '.repeat(i)}` : `story ${i % 3}`));
const documentsOf = async (spec: string, options?: DocumentOptions): Promise<string[]> => {
  const documents: string[] = [];
  for await (const document of readDocuments(spec, options)) documents.push(document);
  return documents;
};

let folder: string;
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'ashlar-parquet-')); });
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each(['uncompressed', 'snappy', 'gzip', 'zstd', 'lz4', 'brotli'])('a column of strings, %s', async (codec) => {
  expect(await documentsOf(fixture(codec))).toEqual(texts);
  expect(await documentsOf(fixture(codec), { field: 'label' })).toEqual(texts.map((_, i) => (i % 2 ? 'odd' : 'even')));
});

test('a folder of tables, in natural order', async () => {
  mkdirSync(join(folder, 'tables'));
  copyFileSync(fixture('zstd'), join(folder, 'tables', 'train-10.parquet'));
  copyFileSync(fixture('snappy'), join(folder, 'tables', 'train-9.parquet'));
  expect(findText(join(folder, 'tables')).files.map((file) => file.split('/').at(-1))).toEqual(['train-9.parquet', 'train-10.parquet']);
  expect(await documentsOf(join(folder, 'tables'))).toEqual([...texts, ...texts]);
});

test('rows: what is a string, a number or a truth value', async () => {
  const rows: unknown[] = [];
  for await (const { values, place } of readRows(findText(fixture('gzip')))) rows.push([values, place.slice(fixture('gzip').length)]);
  expect(rows).toHaveLength(20);
  expect(rows[8]).toEqual([{ id: 8n, text: texts[8], label: 'even', score: 2 }, ': row 9']);
});

test.each([
  ['snappy', 'txt', 'there is no column "txt"; columns of strings: "text", "label"'],
  ['snappy', 'id', 'the column "id" holds INT64, not strings; columns of strings: "text", "label"'],
  ['snappy', 'tags', 'the column "tags" holds values of several parts, not strings'],
  ['snappy', 'bytes', 'the column "bytes" holds BYTE_ARRAY, not strings'],
  ['null', 'text', 'null.parquet: row 10 must have a string under "text", got null'],
])('%s.parquet, column %s is refused', async (name, field, message) => {
  await expect(documentsOf(fixture(name), { field })).rejects.toThrow(message);
  await expect(documentsOf(fixture(name), { field })).rejects.toThrow(TextFileError);
});

test('what is no table is refused', async () => {
  const path = join(folder, 'wrong.parquet');
  for (const contents of ['PAR1', 'no table at all', 'PAR1\xff\xff\xff\x7fPAR1']) {
    writeFileSync(path, contents, 'latin1');
    await expect(documentsOf(path)).rejects.toThrow(/wrong\.parquet: cannot be read as Parquet: /);
  }
});

test('damaged files are read or refused, never more', async () => {
  const path = join(folder, 'damaged.parquet');
  await fc.assert(fc.asyncProperty(fc.constantFrom('snappy', 'zstd', 'gzip', 'uncompressed'), fc.array(fc.tuple(fc.nat(5500), fc.nat(255)), { minLength: 1, maxLength: 4 }), fc.nat(1), async (name, changes, cut) => {
    const bytes = Uint8Array.from(readFileSync(fixture(name)));
    for (const [at, value] of changes) bytes[at % bytes.length] = value;
    writeFileSync(path, cut ? bytes.subarray(changes[0]![0] % bytes.length) : bytes);
    try {
      await documentsOf(path);
    } catch (error) {
      expect(error).toBeInstanceOf(TextFileError);
    }
  }), { numRuns: 300 });
});

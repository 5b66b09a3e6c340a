// Each text is read by a process of its own, whose memory is measured. It has less than the text.
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { parquetWriteFile } from 'hyparquet-writer';
import { afterAll, beforeAll, expect, test } from 'vitest';

let folder: string;
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'ashlar-memory-')); });
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const built = new URL('../dist/node.js', import.meta.url);

/** Runs a program that has this package as `text` and gives `result`; with what it gives, the most memory that the process had, in MB. Without doing anything it has some 50. */
function measured(program: string, heapMegabytes = 40): { readonly result: unknown; readonly megabytes: number } {
  if (!existsSync(fileURLToPath(built))) throw new Error('packages/text is not built: run pnpm build first');
  const code = `import * as text from ${JSON.stringify(built.href)}; ${program}; console.log(JSON.stringify({ result, megabytes: process.resourceUsage().maxRSS / 1024 }))`;
  const { status, stdout, stderr } = spawnSync(process.execPath, [`--max-old-space-size=${heapMegabytes}`, '--input-type=module', '-e', code], { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout) as ReturnType<typeof measured>;
}

/** Writes a block so many times. */
function repeated(name: string, block: string | Uint8Array, times: number): string {
  const path = join(folder, name), file = openSync(path, 'w'), bytes = Buffer.from(block);
  for (let i = 0; i < times; i++) writeSync(file, bytes);
  closeSync(file);
  return JSON.stringify(path);
}

const sentence = 'the whale and the sea, ', mega = 1 << 20, counted = (spec: string): string => `let result = 0; for await (const one of text.readDocuments(${spec})) result += one.length`;

test('128 MB of text become tokens in a file, and are read from there', () => {
  const line = `${sentence.repeat(44)}\n`, block = line.repeat(1024), path = repeated('large.txt', block, Math.ceil(128 * mega / block.length));
  const { result, megabytes } = measured(`
    const corpus = await text.openCorpus(${path}, { tokenizer: 'byte', cache: ${JSON.stringify(folder)} });
    const window = new Int32Array(${line.length}), { tokens } = corpus;
    tokens.read(tokens.length - window.length, window);
    const result = [tokens.length, corpus.tokenizer.decode(window)]`);
  expect(result).toEqual([Math.ceil(128 * mega / block.length) * block.length, line]);
  expect(megabytes).toBeLessThan(180);
}, 60_000);

test('a table of 92 MB, a group of rows at a time', () => {
  const filename = join(folder, 'large.parquet'), data = Array.from({ length: 12_000 }, (_, i) => `${String(i).padStart(5)} ${sentence.repeat(350)}`);
  parquetWriteFile({ filename, columnData: [{ name: 'text', data, type: 'STRING' }], rowGroupSize: 500, codec: 'UNCOMPRESSED', statistics: false });
  const { result, megabytes } = measured(counted(JSON.stringify(filename)));
  expect(result).toBe(12_000 * data[0]!.length);
  expect(megabytes).toBeLessThan(180);
}, 60_000);

test('gzip that unpacks to a thousand times as much: lines as they come', () => {
  const text = sentence.repeat(44), block = `${JSON.stringify({ text })}\n`.repeat(1024), path = repeated('large.jsonl.gz', gzipSync(block), Math.ceil(128 * mega / block.length));
  const { result, megabytes } = measured(counted(path));
  expect(result).toBe(Math.ceil(128 * mega / block.length) * 1024 * text.length);
  expect(megabytes).toBeLessThan(180);
}, 60_000);

test('a line of a gigabyte is refused before it is unpacked', () => {
  const path = repeated('line.jsonl.gz', gzipSync('a'.repeat(8 * mega)), 128);
  const { result, megabytes } = measured(`const result = await text.readDocuments(${path}).next().then(() => 'read', ({ name, message }) => [name, message.split(': ').at(-1)])`, 1024);
  expect(result).toEqual(['TextFileError', 'line 1 has more than 67108864 characters; divide it']);
  expect(megabytes).toBeLessThan(600);
}, 60_000);

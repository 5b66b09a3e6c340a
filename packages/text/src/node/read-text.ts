import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { Utf8Scanner } from '../utf8.js';
import { emptyText, findText, TextFileError, type FindTextOptions, type TextFiles } from './text-files.js';

const chunkBytes = 1 << 20;
const newline = 0x0a;
const blankLine = [new Uint8Array(0), Uint8Array.of(newline), Uint8Array.of(newline, newline)] as const;

/**
 * The bytes of a text, a chunk at a time; several files are joined so that a blank line stands between them.
 * A chunk is valid only until the next one is asked for.
 */
export function* readChunks({ files }: TextFiles): Generator<Uint8Array> {
  let last = newline, beforeLast = newline;
  for (const file of files) {
    const missing = (last !== newline ? 2 : beforeLast !== newline ? 1 : 0) as 0 | 1 | 2;
    if (missing > 0) yield blankLine[missing];
    for (const chunk of readFile(file)) {
      if (chunk.length > 1) beforeLast = chunk[chunk.length - 2]!;
      else beforeLast = last;
      last = chunk[chunk.length - 1]!;
      yield chunk;
    }
  }
}

/** A text as strings, a chunk at a time; the first `bytes` of it alone, where they are given (a character that they cut is left out). */
export function* readStrings(text: TextFiles, bytes = Infinity): Generator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let left = bytes;
  for (const chunk of readChunks(text)) {
    yield decoder.decode(chunk.length > left ? chunk.subarray(0, left) : chunk, { stream: true });
    left -= chunk.length;
    if (left <= 0) return;
  }
  yield decoder.decode();
}

/** Checks that every file of a text is UTF-8, and says which code points occur and how many there are. Throws `InvalidUtf8Error`. */
export function scanText(text: TextFiles): { codePoints: ReadonlySet<number>; characters: number } {
  const codePoints = new Set<number>();
  let characters = 0;
  for (const file of text.files) {
    const scanner = new Utf8Scanner(file);
    for (const chunk of readFile(file)) scanner.push(chunk);
    scanner.end();
    characters += scanner.characters;
    for (const codePoint of scanner.codePoints) codePoints.add(codePoint);
  }
  if (text.files.length > 1) codePoints.add(newline);
  return { codePoints, characters };
}

/** A whole text in memory. */
export interface LoadedText extends TextFiles { readonly text: string }

/**
 * Reads a text file, or the text of an npm package (see `findText`), into memory.
 *
 * @throws TextFileError where it is missing or empty, InvalidUtf8Error (with the byte offset) where it is not UTF-8.
 */
export function loadText(spec: string, options: FindTextOptions = {}): LoadedText {
  const found = findText(spec, options);
  scanText(found);
  const text = [...readStrings(found)].join('');
  if (text === '') throw emptyText(spec);
  return { ...found, text };
}

function* readFile(file: string): Generator<Uint8Array> {
  if (file.endsWith('.gz')) return yield* unpacked(file);
  const buffer = new Uint8Array(chunkBytes);
  const descriptor = openSync(file, 'r');
  try {
    for (let size; (size = readSync(descriptor, buffer, 0, buffer.length, null)) > 0;) yield buffer.subarray(0, size);
  } finally {
    closeSync(descriptor);
  }
}

/** The bytes of a gzip file, which is unpacked whole: nothing in Node unpacks a part at once. */
function* unpacked(file: string): Generator<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = gunzipSync(readFileSync(file));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new TextFileError(code === 'ERR_BUFFER_TOO_LARGE' ? `${file}: is too large to be unpacked at once; unpack it, or divide it into several files` : `${file}: cannot be unpacked as gzip: ${message}`, { cause: error });
  }
  for (let start = 0; start < bytes.length; start += chunkBytes) yield bytes.subarray(start, start + chunkBytes);
}

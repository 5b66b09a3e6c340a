import { createReadStream } from 'node:fs';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { Utf8Scanner } from '../utf8.js';
import { TextFileError } from './text-files.js';

const chunkBytes = 1 << 20;

/** The longest text that is ever held in one piece, in UTF-16 units: 64 Mi. */
export const longestPiece = 1 << 26;

/** The bytes of a file, a chunk at a time; those of a `.gz` file are unpacked. Stays within some chunks of memory, whatever the file unpacks to. */
export async function* readBytes(file: string): AsyncGenerator<Uint8Array> {
  try {
    yield* bytesOf(file) as AsyncIterable<Uint8Array>;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new TextFileError(code?.startsWith('Z_') ? `${file}: cannot be unpacked as gzip: ${message}` : `${file}: cannot be read: ${message}`, { cause: error });
  }
}

function bytesOf(file: string): Readable {
  const bytes = createReadStream(file, { highWaterMark: chunkBytes });
  // What goes wrong reaches who reads the last stream.
  return file.endsWith('.gz') ? pipeline(bytes, createGunzip({ chunkSize: chunkBytes }), () => {}) : bytes;
}

/** The text of a file, a chunk at a time. Throws InvalidUtf8Error with the place where it is not UTF-8. */
export async function* readStrings(file: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const decoded = (chunk?: Uint8Array): string | undefined => {
    try { return decoder.decode(chunk, { stream: chunk !== undefined }); } catch { return undefined; }
  };
  for await (const chunk of readBytes(file)) yield decoded(chunk) ?? await invalidPlace(file);
  yield decoded() ?? await invalidPlace(file);
}

/** Reads a file again, up to where it is no UTF-8. */
async function invalidPlace(file: string): Promise<never> {
  const scanner = new Utf8Scanner(file);
  for await (const chunk of readBytes(file)) scanner.push(chunk);
  scanner.end();
  throw new TextFileError(`${file}: changed while it was read`);
}

/** The lines of a file, without their ends, some at a time. @throws TextFileError where a line is longer than `longestPiece`. */
export async function* readLines(file: string): AsyncGenerator<readonly string[]> {
  let rest = '', number = 1;
  for await (const chunk of readStrings(file)) {
    const lines = chunk.includes('\n') ? (rest + chunk).split('\n') : [rest + chunk];
    rest = lines.pop()!;
    number += lines.length;
    if (rest.length > longestPiece) throw new TextFileError(`${file}: line ${number} has more than ${longestPiece} characters; divide it`);
    if (lines.length > 0) yield lines;
  }
  if (rest !== '') yield [rest];
}

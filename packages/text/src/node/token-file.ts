import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { assertWindow, type TokenSource } from '../token-source.js';

/** Bytes that one token takes in a file: the least that hold every number below `vocabularySize`. */
export type TokenWidth = 1 | 2 | 4;

/** What stands at the end of a token file. */
export interface TokenFileTrailer {
  readonly count: number;
  readonly width: TokenWidth;
  readonly tokenizer: unknown;
}

const magic = 0x4b54_4c41; // "ALTK", little-endian
const footerBytes = 8;

export const tokenWidth = (vocabularySize: number): TokenWidth => (vocabularySize <= 0x100 ? 1 : vocabularySize <= 0x10000 ? 2 : 4);

/**
 * The bytes of a token file: the tokens, little-endian, then a JSON trailer, its length and a magic number, both u32.
 */
export function* tokenFileChunks(tokens: Iterable<Uint32Array>, width: TokenWidth, tokenizer: unknown): Generator<Uint8Array> {
  let count = 0;
  for (const part of tokens) {
    count += part.length;
    const packed = width === 1 ? Uint8Array.from(part) : width === 2 ? Uint16Array.from(part) : part;
    yield new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength);
  }
  const trailer = new TextEncoder().encode(JSON.stringify({ count, width, tokenizer } satisfies TokenFileTrailer));
  yield trailer;
  yield new Uint8Array(Uint32Array.of(trailer.length, magic).buffer);
}

/** An open token file: windows are read by position, so memory does not grow with the file. */
export interface TokenFile extends TokenSource {
  readonly tokenizer: unknown;
  close(): void;
}

/** Opens a token file; undefined where `path` does not exist or is no whole token file. */
export function openTokenFile(path: string): TokenFile | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw error;
  }
  const trailer = readTrailer(descriptor);
  if (trailer === undefined) {
    closeSync(descriptor);
    return undefined;
  }
  const { count, width, tokenizer } = trailer;
  let open = true;
  let window = Buffer.alloc(0);
  return {
    length: count,
    tokenizer,
    read(start, into) {
      assertWindow(start, into.length, count);
      if (!open) throw new Error(`${path}: the token file is closed`);
      const bytes = into.length * width;
      if (window.length < bytes) window = Buffer.alloc(bytes);
      readExactly(descriptor, window, bytes, start * width, path);
      if (width === 1) for (let i = 0; i < into.length; i++) into[i] = window[i]!;
      else if (width === 2) for (let i = 0; i < into.length; i++) into[i] = window.readUInt16LE(i * 2);
      else for (let i = 0; i < into.length; i++) into[i] = window.readInt32LE(i * 4);
    },
    close() {
      if (open) closeSync(descriptor);
      open = false;
    },
  };
}

function readTrailer(descriptor: number): TokenFileTrailer | undefined {
  const { size } = fstatSync(descriptor);
  if (size < footerBytes) return undefined;
  const footer = Buffer.alloc(footerBytes);
  readExactly(descriptor, footer, footerBytes, size - footerBytes, 'token file');
  const length = footer.readUInt32LE(0);
  if (footer.readUInt32LE(4) !== magic || length > size - footerBytes) return undefined;
  const text = Buffer.alloc(length);
  readExactly(descriptor, text, length, size - footerBytes - length, 'token file');
  let trailer: Partial<TokenFileTrailer>;
  try {
    trailer = JSON.parse(text.toString('utf8')) as Partial<TokenFileTrailer>;
  } catch {
    return undefined;
  }
  const { count, width, tokenizer } = trailer;
  if (!Number.isSafeInteger(count) || (width !== 1 && width !== 2 && width !== 4)) return undefined;
  return count! * width + length + footerBytes === size ? { count: count!, width, tokenizer } : undefined;
}

function readExactly(descriptor: number, buffer: Uint8Array, bytes: number, position: number, path: string): void {
  for (let done = 0; done < bytes;) {
    const size = readSync(descriptor, buffer, done, bytes - done, position + done);
    if (size === 0) throw new Error(`${path}: the file ends at byte ${position + done}, sooner than when it was opened`);
    done += size;
  }
}

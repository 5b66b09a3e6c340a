import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { assertWindow, type TokenSource } from '../token-source.js';

/** Bytes that one token takes in a file: the least that hold every number below `vocabularySize`. */
export type TokenWidth = 1 | 2 | 4;

/** What stands at the end of a token file. */
export interface TokenFileTrailer {
  readonly count: number;
  readonly width: TokenWidth;
  readonly tokenizer: unknown;
  /** How many documents there are, where their lengths stand between the tokens and this. */
  readonly documents?: number;
}

const magic = 0x4b54_4c41; // "ALTK", little-endian
const footerBytes = 8;

export const tokenWidth = (vocabularySize: number): TokenWidth => (vocabularySize <= 0x100 ? 1 : vocabularySize <= 0x10000 ? 2 : 4);

/** Some tokens of a document, and whether they are the last of it. */
export interface TokenPart { readonly tokens: Uint32Array; readonly ends: boolean }

/**
 * The bytes of a token file: the tokens, little-endian; of documents that are told apart, their lengths (u32); a JSON
 * trailer, its length and a magic number, both u32.
 */
export async function* tokenFileChunks(parts: AsyncIterable<TokenPart>, width: TokenWidth, tokenizer: unknown, documents: boolean): AsyncGenerator<Uint8Array> {
  const lengths = new GrowingList();
  let count = 0, begun = 0;
  for await (const { tokens, ends } of parts) {
    count += tokens.length;
    if (tokens.length > 0) yield bytesOf(width === 1 ? Uint8Array.from(tokens) : width === 2 ? Uint16Array.from(tokens) : tokens);
    if (!ends || !documents) continue;
    lengths.push(count - begun);
    begun = count;
  }
  if (documents) yield bytesOf(lengths.values());
  const trailer = new TextEncoder().encode(JSON.stringify({ count, width, tokenizer, ...(documents ? { documents: lengths.length } : {}) } satisfies TokenFileTrailer));
  yield trailer;
  yield bytesOf(Uint32Array.of(trailer.length, magic));
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint8Array | Uint16Array | Uint32Array): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);

/** Whole numbers below 2³², four bytes each. */
class GrowingList {
  length = 0;
  #values = new Uint32Array(1024);

  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new Uint32Array(2 * this.length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.length++] = value;
  }

  values(): Uint32Array { return this.#values.subarray(0, this.length); }
}

/** An open token file: windows are read by position, so memory does not grow with the file. */
export interface TokenFile extends TokenSource {
  readonly tokenizer: unknown;
  /** The lengths of its documents, in tokens, where they were told apart. */
  readonly lengths: Uint32Array | undefined;
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
  const { count, width, tokenizer, documents } = trailer, lengths = documents === undefined ? undefined : new Uint32Array(documents);
  if (lengths) readExactly(descriptor, bytesOf(lengths), lengths.byteLength, count * width, path);
  let open = true;
  let window = Buffer.alloc(0);
  return {
    length: count,
    tokenizer, lengths,
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
  const { count, width, tokenizer, documents } = trailer;
  if (!Number.isSafeInteger(count) || (documents !== undefined && !Number.isSafeInteger(documents)) || (width !== 1 && width !== 2 && width !== 4)) return undefined;
  return count! * width + 4 * (documents ?? 0) + length + footerBytes === size ? { count: count!, width, tokenizer, ...(documents === undefined ? {} : { documents }) } : undefined;
}

function readExactly(descriptor: number, buffer: Uint8Array, bytes: number, position: number, path: string): void {
  for (let done = 0; done < bytes;) {
    const size = readSync(descriptor, buffer, done, bytes - done, position + done);
    if (size === 0) throw new Error(`${path}: the file ends at byte ${position + done}, sooner than when it was opened`);
    done += size;
  }
}

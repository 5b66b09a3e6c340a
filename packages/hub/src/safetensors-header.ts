import { maximumHeaderBytes, prefixBytes, SafetensorsError, storedDTypes, type StoredDType, type StoredTensor } from './safetensors-format.js';

/** A checked header. */
export interface SafetensorsHeader {
  /** In the order of the file's header. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** The length of the header from the file's first eight bytes, checked against the file's size. Throws SafetensorsError. */
export function headerBytes(prefix: Uint8Array, fileBytes: number, source: string): number {
  const fail = (problem: string) => new SafetensorsError(source, 'header length', problem);
  if (fileBytes < prefixBytes) throw fail(`a safetensors file has at least ${prefixBytes} bytes, this one has ${fileBytes}: it is truncated or no safetensors file`);
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefixBytes);
  const length = view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
  if (length > maximumHeaderBytes) throw fail(`at most ${maximumHeaderBytes} bytes are allowed, the file says ${length}: it is no safetensors file`);
  if (length < 2) throw fail(`a header has at least 2 bytes, the file says ${length}`);
  if (prefixBytes + length > fileBytes) throw fail(`the header takes ${length} bytes, and only ${fileBytes - prefixBytes} follow: the file is truncated`);
  return length;
}

/**
 * Reads a header and checks it: strict JSON of the one form that the format has, no duplicate names, byte counts that
 * match dtype and shape, and tensors that cover the data exactly, without overlap or hole.
 *
 * @param bytes The header alone.
 * @param dataBytes Bytes that follow it in the file.
 * @throws SafetensorsError
 */
export function parseHeader(bytes: Uint8Array, dataBytes: number, source: string): SafetensorsHeader {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new SafetensorsError(source, 'header', 'it is not valid UTF-8');
  }
  const header = new HeaderReader(text, source).read();
  checkCoverage(header.tensors, dataBytes, source);
  return header;
}

function checkCoverage(tensors: ReadonlyMap<string, StoredTensor>, dataBytes: number, source: string): void {
  const byPlace = [...tensors].sort(([, a], [, b]) => a.start - b.start || a.end - b.end);
  let covered = 0, previous = 'the start of the data';
  for (const [name, { start, end }] of byPlace) {
    const fail = (problem: string) => new SafetensorsError(source, `tensor ${JSON.stringify(name)}`, problem);
    if (start < covered) throw fail(`it begins at byte ${start}, inside ${previous}, which ends at ${covered}`);
    if (start > covered) throw fail(`it begins at byte ${start}, and bytes ${covered} to ${start} belong to no tensor`);
    if (end > dataBytes) throw fail(`it ends at byte ${end} of the data, and the file has ${dataBytes}: the file is truncated`);
    covered = end;
    previous = `tensor ${JSON.stringify(name)}`;
  }
  if (covered < dataBytes) throw new SafetensorsError(source, 'data', `${dataBytes - covered} bytes after the last tensor belong to none`);
}

/** Reads the JSON of a header: an object of tensors and, as `__metadata__`, an object of strings. */
class HeaderReader {
  private at = 0;

  constructor(private readonly text: string, private readonly source: string) {}

  read(): SafetensorsHeader {
    const tensors = new Map<string, StoredTensor>();
    let metadata: Map<string, string> | undefined;
    if (this.text[0] !== '{') throw this.error('it must begin with {');
    this.object((name) => {
      if (name === '__metadata__') {
        if (metadata !== undefined) throw this.error('"__metadata__" stands twice');
        metadata = this.metadata();
      } else {
        if (tensors.has(name)) throw this.error(`tensor ${JSON.stringify(name)} stands twice`);
        tensors.set(name, this.tensor(name));
      }
    });
    if (this.at < this.text.length) throw this.error('something follows the closing }');
    return { tensors, metadata: metadata ?? new Map() };
  }

  private metadata(): Map<string, string> {
    const entries = new Map<string, string>();
    this.object((key) => {
      if (entries.has(key)) throw this.error(`metadata ${JSON.stringify(key)} stands twice`);
      entries.set(key, this.string());
    });
    return entries;
  }

  private tensor(name: string): StoredTensor {
    let dtype: string | undefined, shape: number[] | undefined, offsets: number[] | undefined;
    this.object((key) => {
      if ((key === 'dtype' && dtype !== undefined) || (key === 'shape' && shape) || (key === 'data_offsets' && offsets)) {
        throw this.error(`${key} of tensor ${JSON.stringify(name)} stands twice`);
      }
      if (key === 'dtype') dtype = this.string();
      else if (key === 'shape') shape = this.integers();
      else if (key === 'data_offsets') offsets = this.integers();
      else throw this.error(`tensor ${JSON.stringify(name)} has an unknown key ${JSON.stringify(key)}; allowed are dtype, shape and data_offsets`);
    });
    return this.checked(name, dtype, shape, offsets);
  }

  private checked(name: string, dtype: string | undefined, shape: number[] | undefined, offsets: number[] | undefined): StoredTensor {
    const fail = (problem: string) => new SafetensorsError(this.source, `tensor ${JSON.stringify(name)}`, problem);
    if (dtype === undefined || shape === undefined || offsets === undefined) throw fail('it needs dtype, shape and data_offsets');
    if (!Object.hasOwn(storedDTypes, dtype)) throw fail(`dtype must be one of ${Object.keys(storedDTypes).join(', ')}, got ${JSON.stringify(dtype)}`);
    const [start, end] = offsets;
    if (offsets.length !== 2 || start === undefined || end === undefined || start > end) {
      throw fail(`data_offsets must be [start, end] with start ≤ end, got [${offsets.join(', ')}]`);
    }
    const size = shape.includes(0) ? 0 : shape.reduce((product, length) => product * length, 1);
    const bytes = size * storedDTypes[dtype as StoredDType].bytes;
    if (!Number.isSafeInteger(bytes)) throw fail(`shape [${shape.join(', ')}] is too large`);
    if (bytes !== end - start) throw fail(`${dtype} of shape [${shape.join(', ')}] takes ${bytes} bytes, data_offsets [${start}, ${end}] give it ${end - start}`);
    return { dtype: dtype as StoredDType, shape, size, start, end };
  }

  /** Reads an object and calls `value` where the value of each key begins. */
  private object(value: (key: string) => void): void {
    this.expect('{');
    if (this.accept('}')) return;
    do {
      const key = this.string();
      this.expect(':');
      value(key);
    } while (this.accept(','));
    this.expect('}');
  }

  private integers(): number[] {
    const list: number[] = [];
    this.expect('[');
    if (this.accept(']')) return list;
    do list.push(this.integer()); while (this.accept(','));
    this.expect(']');
    return list;
  }

  private integer(): number {
    let end = this.at;
    while (isDigit(this.text[end])) {
      if (end++ - this.at === longestInteger) throw this.error('the number is too large');
    }
    const digits = this.text.slice(this.at, end);
    const value = Number(digits);
    if (digits === '' || (digits.length > 1 && digits[0] === '0') || '.eE'.includes(this.text[end] ?? ' ')) throw this.error('a whole number from 0 is expected');
    if (!Number.isSafeInteger(value)) throw this.error('the number is too large');
    this.at = end;
    this.skipSpace();
    return value;
  }

  private string(): string {
    if (this.text[this.at] !== '"') throw this.error('a string is expected');
    let end = this.at;
    do end = this.text.indexOf('"', end + 1); while (end >= 0 && this.isEscaped(end));
    if (end < 0) throw this.error('the string does not end');
    let value: string;
    try {
      value = JSON.parse(this.text.slice(this.at, end + 1)) as string;
    } catch {
      throw this.error('the string is not valid JSON');
    }
    this.at = end + 1;
    this.skipSpace();
    return value;
  }

  /** Whether an odd number of backslashes stands before a place in a string. */
  private isEscaped(place: number): boolean {
    let first = place;
    while (this.text[first - 1] === '\\') first--;
    return (place - first) % 2 === 1;
  }

  private accept(character: string): boolean {
    if (this.text[this.at] !== character) return false;
    this.at++;
    this.skipSpace();
    return true;
  }

  private expect(character: string): void {
    if (!this.accept(character)) throw this.error(`${character} is expected`);
  }

  private skipSpace(): void {
    while (this.at < this.text.length && ' \n\r\t'.includes(this.text[this.at]!)) this.at++;
  }

  private error(problem: string): SafetensorsError {
    const found = this.at < this.text.length ? `near ${JSON.stringify(this.text.slice(this.at, this.at + 20))}` : 'at its end';
    return new SafetensorsError(this.source, 'header', `character ${this.at}, ${found}: ${problem}`);
  }
}

const longestInteger = 16;

const isDigit = (character: string | undefined): boolean => character !== undefined && character >= '0' && character <= '9';

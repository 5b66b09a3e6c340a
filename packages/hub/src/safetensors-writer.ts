import { checkedDType, storedBytes } from './safetensors-elements.js';
import { maximumHeaderBytes, prefixBytes, SafetensorsError, storedDTypes, type WritableTensor } from './safetensors-format.js';

/** Tensors by name. */
export type NamedTensors = ReadonlyMap<string, WritableTensor> | Readonly<Record<string, WritableTensor>>;

/** Strings by name. */
export type Metadata = ReadonlyMap<string, string> | Readonly<Record<string, string>>;

/**
 * A safetensors file, a piece at a time. Wider dtypes come first, then names in order, and the data begin at a multiple
 * of eight, so that every tensor is aligned to its elements; the same tensors give the same bytes.
 *
 * @param name For errors: the file's name.
 * @throws SafetensorsError before the first piece, save that a bool other than 0 and 1 is found as its turn comes.
 */
export function safetensorsChunks(tensors: NamedTensors, metadata: Metadata = {}, name = 'safetensors'): Iterable<Uint8Array> {
  const failing = (tensor: string) => (problem: string) => new SafetensorsError(name, `tensor ${JSON.stringify(tensor)}`, problem);
  const entries = entriesOf(tensors).map(([key, tensor]) => {
    if (key === '__metadata__') throw failing(key)('the format keeps this name for its metadata');
    checkWellFormed(key, failing(key));
    return { key, tensor, dtype: checkedDType(tensor, failing(key)) };
  }).sort((a, b) => storedDTypes[b.dtype].bytes - storedDTypes[a.dtype].bytes || (a.key < b.key ? -1 : 1));

  const extra = entriesOf(metadata);
  for (const [key, value] of extra) {
    const fail = (problem: string) => new SafetensorsError(name, `metadata ${JSON.stringify(key)}`, problem);
    if (typeof value !== 'string') throw fail(`it must be a string, got ${JSON.stringify(value)}`);
    checkWellFormed(key + value, fail);
  }
  const parts = extra.length === 0 ? [] : [`"__metadata__":{${extra.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`];
  let end = 0;
  for (const { key, tensor, dtype } of entries) {
    const start = end;
    end += tensor.data.length * storedDTypes[dtype].bytes;
    parts.push(`${JSON.stringify(key)}:${JSON.stringify({ dtype, shape: tensor.shape, data_offsets: [start, end] })}`);
  }
  const header = paddedHeader(`{${parts.join(',')}}`);
  if (header.length - prefixBytes > maximumHeaderBytes) {
    throw new SafetensorsError(name, 'header', `it would take ${header.length - prefixBytes} bytes, and at most ${maximumHeaderBytes} are allowed`);
  }
  return (function* () {
    yield header;
    for (const { key, tensor } of entries) yield storedBytes(tensor, failing(key));
  })();
}

/** A whole safetensors file in memory. See `safetensorsChunks`. */
export function safetensorsBytes(tensors: NamedTensors, metadata: Metadata = {}): Uint8Array {
  const chunks = [...safetensorsChunks(tensors, metadata)];
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** The header's length and the header, filled with spaces to a multiple of eight bytes. */
function paddedHeader(json: string): Uint8Array {
  const text = new TextEncoder().encode(json);
  const header = new Uint8Array(prefixBytes + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - prefixBytes), true);
  header.set(text, prefixBytes);
  return header;
}

function checkWellFormed(text: string, fail: (problem: string) => SafetensorsError): void {
  if (/\p{Surrogate}/u.test(text)) throw fail('names and metadata must be well-formed Unicode');
}

function entriesOf<T>(named: ReadonlyMap<string, T> | Readonly<Record<string, T>>): [string, T][] {
  return named instanceof Map ? [...(named as ReadonlyMap<string, T>)] : Object.entries(named as Readonly<Record<string, T>>);
}

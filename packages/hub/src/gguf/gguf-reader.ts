import { readElements } from '../safetensors-elements.js';
import type { HostTensor, StoredDType } from '../safetensors-format.js';
import type { ByteSource } from '../safetensors-reader.js';
import { aligned, defaultAlignment, GgufError, magic, tensorTypes, valueBytes, valueTypes, version, type GgufMetadata, type GgufValue, type ScalarType, type TensorType } from './gguf-format.js';

/** What a file says of one tensor. */
export interface GgufTensor {
  readonly type: TensorType;
  /** The slowest axis first, as elsewhere in this project. */
  readonly shape: readonly number[];
  /** Number of elements. */
  readonly size: number;
  /** Its first byte in the file. */
  readonly start: number;
}

/** A GGUF file whose header was read and checked; tensors are read when they are asked for. */
export interface GgufReader {
  readonly metadata: GgufMetadata;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /** @throws {GgufError} where there is none of that name. */
  read(name: string): HostTensor;
}

/** The most that a header may take; tokenizers make it long. */
const largestHeader = 2 ** 28;
const mostDimensions = 4;
const typeNames = Object.fromEntries(Object.entries(valueTypes).map(([name, number]) => [number, name])) as Readonly<Record<number, keyof typeof valueTypes>>;
const tensorNames = new Map(Object.entries(tensorTypes).map(([name, { number }]) => [number as number, name as TensorType]));

/**
 * Reads and checks the header of a GGUF file, version 2 or 3, of f32, f16 and bf16 tensors. Nothing is allocated that the
 * file does not have the bytes for.
 * @throws {GgufError} where it is no such file, or is truncated, or its tensors overlap or leave the file.
 */
export function ggufReader(source: ByteSource): GgufReader {
  const cursor = new Cursor(source);
  if (source.bytes < 24 || cursor.number('u32', 'magic') !== magic) throw cursor.error('it does not begin with GGUF: it is no GGUF file');
  const found = cursor.number('u32', 'version');
  if (found !== version && found !== 2) throw cursor.error(`version must be 2 or 3, got ${found}`);
  const tensorCount = cursor.number('u64', 'number of tensors'), metadataCount = cursor.number('u64', 'number of metadata');
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < metadataCount; i++) {
    const key = cursor.string('a metadata key');
    if (metadata.has(key)) throw cursor.error(`metadata ${JSON.stringify(key)} stands twice`);
    metadata.set(key, cursor.value(`metadata ${JSON.stringify(key)}`));
  }
  const alignment = alignmentOf(metadata, cursor), listed: [string, Omit<GgufTensor, 'start'>, number][] = [], names = new Set<string>();
  for (let i = 0; i < tensorCount; i++) {
    const name = cursor.string('the name of a tensor'), what = `tensor ${JSON.stringify(name).slice(0, 100)}`;
    if (names.has(name)) throw cursor.error(`${what} stands twice`);
    names.add(name);
    const dimensions = cursor.number('u32', what);
    if (dimensions > mostDimensions) throw cursor.error(`${what} must have up to ${mostDimensions} dimensions, got ${dimensions}`);
    const shape = Array.from({ length: dimensions }, () => cursor.number('u64', what)).reverse(), number = cursor.number('u32', what), type = tensorNames.get(number), offset = cursor.number('u64', what);
    if (type === undefined) throw cursor.error(`${what} is of type ${number}, and f32, f16 and bf16 alone are read: quantized models are not`);
    const size = shape.reduce((product, length) => product * length, 1);
    if (!Number.isSafeInteger(size * 4)) throw cursor.error(`${what} [${shape.join(', ')}] is too large`);
    if (offset % alignment !== 0) throw cursor.error(`${what} must begin at a multiple of ${alignment}, got ${offset}`);
    listed.push([name, { type, shape, size }, offset]);
  }
  const dataStart = aligned(cursor.at, alignment), tensors = new Map(listed.map(([name, tensor, offset]) => [name, { ...tensor, start: dataStart + offset }]));
  checkPlaces(tensors, dataStart, source.bytes, (problem) => cursor.error(problem));
  return {
    metadata, tensors,
    read(name) {
      const tensor = tensors.get(name), fail = (problem: string): GgufError => new GgufError(`${source.name}: tensor ${JSON.stringify(name)}: ${problem}`);
      if (!tensor) throw fail('there is none of that name');
      const data = readElements(tensor.type.toUpperCase() as StoredDType, tensor.size, (into) => { if (into.length > 0) source.read(tensor.start, into); }, fail);
      return { dtype: tensor.type === 'f16' ? 'f16' : 'f32', shape: tensor.shape, data };
    },
  };
}

function alignmentOf(metadata: GgufMetadata, cursor: Cursor): number {
  const given = metadata.get('general.alignment');
  if (!given) return defaultAlignment;
  const { type, value } = given;
  if (type !== 'u32' || value < 8 || value > 1 << 16 || (value & (value - 1)) !== 0) throw cursor.error(`general.alignment must be a power of two from 8 to 65536, got ${String(value).slice(0, 20)}`);
  return value;
}

/** Tensors lie in the file, and none in another. */
function checkPlaces(tensors: ReadonlyMap<string, GgufTensor>, dataStart: number, fileBytes: number, error: (problem: string) => GgufError): void {
  let covered = dataStart, previous = 'the header';
  for (const [name, { type, size, start }] of [...tensors].sort(([, a], [, b]) => a.start - b.start)) {
    const what = `tensor ${JSON.stringify(name).slice(0, 100)}`, end = start + size * tensorTypes[type].bytes;
    if (start < covered) throw error(`${what} begins at byte ${start}, inside ${previous}, which ends at ${covered}`);
    if (end > fileBytes) throw error(`${what} ends at byte ${end}, and the file has ${fileBytes}: it is truncated`);
    covered = end;
    previous = what;
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads a header from its beginning, some bytes ahead at a time. */
class Cursor {
  at = 0;
  #window = new Uint8Array(0);
  #windowStart = 0;
  constructor(readonly source: ByteSource) {}

  error(problem: string): GgufError { return new GgufError(`${this.source.name}: ${problem}`); }

  number(type: Exclude<ScalarType, 'string' | 'bool'>, what: string): number { return this.scalar(type, what) as number; }
  string(what: string): string { return this.scalar('string', what) as string; }

  value(what: string): GgufValue {
    const type = this.#type(what);
    if (type !== 'array') return { type, value: this.scalar(type, what) } as GgufValue;
    const of = this.#type(what), length = this.number('u64', what);
    if (of === 'array') throw this.error(`${what}: lists of lists are not read`);
    if (length * valueBytes[of] > this.source.bytes - this.at) throw this.error(`${what}: it has ${length} values, and the file ends before: it is truncated`);
    const value: (string | number | boolean)[] = [];
    for (let i = 0; i < length; i++) value.push(this.scalar(of, what));
    return { type: 'array', of, value } as GgufValue;
  }

  scalar(type: ScalarType, what: string): string | number | boolean {
    const view = this.#take(valueBytes[type], what);
    switch (type) {
      case 'u8': return view.getUint8(0);
      case 'i8': return view.getInt8(0);
      case 'u16': return view.getUint16(0, true);
      case 'i16': return view.getInt16(0, true);
      case 'u32': return view.getUint32(0, true);
      case 'i32': return view.getInt32(0, true);
      case 'f32': return view.getFloat32(0, true);
      case 'f64': return view.getFloat64(0, true);
      case 'bool': {
        const byte = view.getUint8(0);
        if (byte > 1) throw this.error(`${what}: a bool must be 0 or 1, got ${byte}`);
        return byte === 1;
      }
      case 'u64': case 'i64': {
        const value = Number(type === 'u64' ? view.getBigUint64(0, true) : view.getBigInt64(0, true));
        if (!Number.isSafeInteger(value)) throw this.error(`${what}: the number ${value} is too large`);
        return value;
      }
      case 'string': {
        const length = Number(view.getBigUint64(0, true));
        try {
          const text = this.#take(length, what);
          return decoder.decode(new Uint8Array(text.buffer, text.byteOffset, text.byteLength));
        } catch (error) {
          throw error instanceof GgufError ? error : this.error(`${what}: it is not valid UTF-8`);
        }
      }
    }
  }

  #type(what: string): keyof typeof valueTypes {
    const number = this.number('u32', what), type = typeNames[number];
    if (type === undefined) throw this.error(`${what}: there is no type of values ${number}`);
    return type;
  }

  /** The next bytes. */
  #take(bytes: number, what: string): DataView {
    const end = this.at + bytes;
    if (end > this.source.bytes) throw this.error(`${what}: the file ends before it does: it is truncated`);
    if (end > largestHeader) throw this.error(`the header takes more than ${largestHeader} bytes`);
    if (end > this.#windowStart + this.#window.length) {
      this.#window = new Uint8Array(Math.min(Math.max(bytes, 1 << 16), this.source.bytes - this.at));
      this.#windowStart = this.at;
      this.source.read(this.at, this.#window);
    }
    const view = new DataView(this.#window.buffer, this.at - this.#windowStart, bytes);
    this.at = end;
    return view;
  }
}

import type { WritableTensor } from '../safetensors-format.js';
import { aligned, defaultAlignment, GgufError, magic, tensorTypes, valueBytes, valueTypes, version, type GgufMetadata, type GgufValue, type ScalarType, type TensorType } from './gguf-format.js';

/**
 * A GGUF file, a piece at a time: metadata, what tensors there are, and their data, each at a multiple of 32 bytes.
 * Shapes go out with the fastest axis first.
 *
 * @throws {GgufError} where a tensor is of a type that the format does not have.
 */
export function* ggufChunks(metadata: GgufMetadata, tensors: ReadonlyMap<string, WritableTensor>): Generator<Uint8Array> {
  const header = new ByteWriter();
  header.scalar('u32', magic);
  header.scalar('u32', version);
  header.scalar('u64', tensors.size);
  header.scalar('u64', metadata.size);
  for (const [key, value] of metadata) {
    header.scalar('string', key);
    header.value(value);
  }
  let offset = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    if (!Object.hasOwn(tensorTypes, dtype)) throw new GgufError(`tensor ${name}: GGUF has no ${dtype}; allowed are ${Object.keys(tensorTypes).join(', ')}`);
    header.scalar('string', name);
    header.scalar('u32', shape.length);
    for (const length of shape.toReversed()) header.scalar('u64', length);
    header.scalar('u32', tensorTypes[dtype as TensorType].number);
    header.scalar('u64', offset);
    offset = aligned(offset + data.byteLength, defaultAlignment);
  }
  yield header.padded(defaultAlignment);
  for (const { data } of tensors.values()) {
    yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const rest = aligned(data.byteLength, defaultAlignment) - data.byteLength;
    if (rest > 0) yield new Uint8Array(rest);
  }
}

const encoder = new TextEncoder();

/** Bytes that grow. */
class ByteWriter {
  #bytes = new Uint8Array(1 << 12);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  value(value: GgufValue): void {
    this.scalar('u32', valueTypes[value.type]);
    if (value.type !== 'array') return this.scalar(value.type, value.value);
    this.scalar('u32', valueTypes[value.of]);
    this.scalar('u64', value.value.length);
    for (const one of value.value) this.scalar(value.of, one);
  }

  scalar(type: ScalarType, value: string | number | boolean): void {
    if (type === 'string') {
      const text = encoder.encode(value as string);
      this.scalar('u64', text.length);
      this.#room(text.length);
      this.#bytes.set(text, this.#length);
      this.#length += text.length;
      return;
    }
    const size = valueBytes[type];
    this.#room(size);
    const view = this.#view, at = this.#length, number = Number(value);
    switch (type) {
      case 'u8': case 'bool': view.setUint8(at, number); break;
      case 'i8': view.setInt8(at, number); break;
      case 'u16': view.setUint16(at, number, true); break;
      case 'i16': view.setInt16(at, number, true); break;
      case 'u32': view.setUint32(at, number, true); break;
      case 'i32': view.setInt32(at, number, true); break;
      case 'f32': view.setFloat32(at, number, true); break;
      case 'f64': view.setFloat64(at, number, true); break;
      case 'u64': case 'i64': view.setBigInt64(at, BigInt(number), true); break;
    }
    this.#length += size;
  }

  padded(alignment: number): Uint8Array {
    const end = aligned(this.#length, alignment);
    this.#room(end - this.#length);
    return this.#bytes.slice(0, end);
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(2 * (this.#length + bytes));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

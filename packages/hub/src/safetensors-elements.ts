import type { TypedArray } from '@ashlar/tensor';
import { SafetensorsError, type StoredDType, type WritableTensor } from './safetensors-format.js';

/**
 * A new typed array of `size` elements for a stored dtype, from the bytes that `read` puts into the array it is given.
 * F32, F16, I32 and U32 are read in place; the others are converted.
 */
export function readElements(dtype: StoredDType, size: number, read: (into: Uint8Array) => void, fail: (problem: string) => Error): TypedArray {
  const bytesOf = <T extends ArrayBufferView>(array: T): T => {
    read(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    return array;
  };
  switch (dtype) {
    case 'F32': return bytesOf(new Float32Array(size));
    case 'F16': return bytesOf(new Uint16Array(size));
    case 'I32': return bytesOf(new Int32Array(size));
    case 'U32': return bytesOf(new Uint32Array(size));
    case 'BF16': return widened(bytesOf(new Uint16Array(size)));
    case 'I64': return narrowed(bytesOf(new Int32Array(size * 2)), fail);
    case 'U8': return Uint32Array.from(bytesOf(new Uint8Array(size)));
    case 'BOOL': return truths(bytesOf(new Uint8Array(size)), fail);
  }
}

/** bfloat16 is the upper half of an f32. */
function widened(halves: Uint16Array): Float32Array {
  const words = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) words[i] = halves[i]! << 16;
  return new Float32Array(words.buffer);
}

function narrowed(words: Int32Array, fail: (problem: string) => Error): Int32Array {
  const values = new Int32Array(words.length / 2);
  for (let i = 0; i < values.length; i++) {
    const low = words[2 * i]!, high = words[2 * i + 1]!;
    if (high !== low >> 31) throw fail(`element ${i} is ${(BigInt(high) << 32n) + BigInt(low >>> 0)}, and I64 is read where every value fits 32 bits`);
    values[i] = low;
  }
  return values;
}

function truths(bytes: Uint8Array, fail: (problem: string) => Error): Uint32Array {
  const wrong = bytes.findIndex((byte) => byte > 1);
  if (wrong >= 0) throw fail(`element ${wrong} of a BOOL must be 0 or 1, got ${bytes[wrong]}`);
  return Uint32Array.from(bytes);
}

/** How a dtype in memory is stored. */
const storedAs = {
  f32: { dtype: 'F32', array: Float32Array },
  f16: { dtype: 'F16', array: Uint16Array },
  bf16: { dtype: 'BF16', array: Uint16Array },
  i32: { dtype: 'I32', array: Int32Array },
  u32: { dtype: 'U32', array: Uint32Array },
  bool: { dtype: 'BOOL', array: Uint32Array },
} as const;

/** The dtype that a tensor is stored with, once its data are known to fit its dtype and shape. */
export function checkedDType({ dtype, shape, data }: WritableTensor, fail: (problem: string) => SafetensorsError): StoredDType {
  if (!Object.hasOwn(storedAs, dtype)) throw fail(`dtype must be one of ${Object.keys(storedAs).join(', ')}, got ${JSON.stringify(dtype)}`);
  const { array, dtype: stored } = storedAs[dtype];
  if (!(data instanceof array)) throw fail(`${dtype} data must be a ${array.name}, got a ${(data as object).constructor.name}`);
  const broken = shape.find((length) => !Number.isSafeInteger(length) || length < 0);
  if (broken !== undefined) throw fail(`shape [${shape.join(', ')}] must hold whole numbers from 0`);
  const size = shape.reduce((product, length) => product * length, 1);
  if (size !== data.length) throw fail(`shape [${shape.join(', ')}] has ${size} elements, the data ${data.length}`);
  return stored;
}

/** The bytes that a tensor is stored as. */
export function storedBytes({ dtype, data }: WritableTensor, fail: (problem: string) => SafetensorsError): Uint8Array {
  if (dtype !== 'bool') return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const wrong = data.findIndex((value) => value > 1);
  if (wrong >= 0) throw fail(`element ${wrong} of a bool must be 0 or 1, got ${data[wrong]}`);
  return Uint8Array.from(data);
}

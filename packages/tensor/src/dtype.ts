/**
 * Element types of tensors.
 *
 * - `f32`, `f16`: IEEE 754 binary32 and binary16.
 * - `i32`, `u32`: two's-complement and unsigned 32-bit integers; arithmetic wraps.
 * - `bool`: stored as a u32 that is 0 or 1.
 *
 * Backends may compute `f16` expressions in f32 and round when a value is stored.
 */
export type DType = 'f32' | 'f16' | 'i32' | 'u32' | 'bool';

/** Host data of a tensor. `f16` data travels as `Uint16Array` of bit patterns, `bool` as `Uint32Array`. */
export type TypedArray = Float32Array | Uint16Array | Int32Array | Uint32Array;

/** Bytes of one stored element. */
export const bytesPerElement = (dtype: DType): number => (dtype === 'f16' ? 2 : 4);

/** Whether the dtype is a floating-point type. */
export const isFloat = (dtype: DType): boolean => dtype === 'f32' || dtype === 'f16';

/** Whether the dtype is an integer type (`bool` is not). */
export const isInteger = (dtype: DType): boolean => dtype === 'i32' || dtype === 'u32';

/** A zero-filled host array of `size` elements. */
export function hostArray(dtype: DType, size: number): TypedArray {
  switch (dtype) {
    case 'f32': return new Float32Array(size);
    case 'f16': return new Uint16Array(size);
    case 'i32': return new Int32Array(size);
    case 'u32': case 'bool': return new Uint32Array(size);
  }
}

/** Encodes numbers (or booleans as 0/1) as host data of the dtype; f16 rounds to nearest even. */
export function encode(dtype: DType, values: ArrayLike<number>): TypedArray {
  const out = hostArray(dtype, values.length);
  if (dtype === 'f16') for (let i = 0; i < values.length; i++) out[i] = toHalf(values[i]!);
  else if (dtype === 'bool') for (let i = 0; i < values.length; i++) out[i] = values[i] ? 1 : 0;
  else for (let i = 0; i < values.length; i++) out[i] = values[i]!;
  return out;
}

/** Decodes host data to numbers. f32, i32, u32 and bool data is returned as it is. */
export function decode(dtype: DType, data: TypedArray): Exclude<TypedArray, Uint16Array> {
  if (dtype !== 'f16') return data as Float32Array;
  const out = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) out[i] = fromHalf(data[i]!);
  return out;
}

const floatView = new Float32Array(1);
const bitsView = new Uint32Array(floatView.buffer);

/** The binary16 bit pattern nearest to `value` (ties to even). */
export function toHalf(value: number): number {
  floatView[0] = value;
  const bits = bitsView[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // rounds to infinity
  if (magnitude < 0x38800000) { // subnormal or zero: the value in units of 2^-24, rounded to even
    const scaled = Math.abs(floatView[0]!) * 16777216;
    const floor = Math.floor(scaled), rest = scaled - floor;
    return sign | (rest > 0.5 || (rest === 0.5 && floor & 1) ? floor + 1 : floor);
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** The number that a binary16 bit pattern stands for. */
export function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 31, fraction = half & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

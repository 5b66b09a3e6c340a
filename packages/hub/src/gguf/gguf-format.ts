/** GGUF, version 3, little-endian: the file format of llama.cpp. https://github.com/ggml-org/ggml/blob/master/docs/gguf.md */

/** A file is no GGUF file that can be read, or a model cannot be written as one. */
export class GgufError extends Error {
  override readonly name = 'GgufError';
}

/** "GGUF" */
export const magic = 0x46554747;
export const version = 3;
/** Tensors begin at multiples of so many bytes, unless `general.alignment` says otherwise. */
export const defaultAlignment = 32;

/** Types of metadata values, and their numbers in files. */
export const valueTypes = { u8: 0, i8: 1, u16: 2, i16: 3, u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9, u64: 10, i64: 11, f64: 12 } as const;
export type ScalarType = Exclude<keyof typeof valueTypes, 'array'>;
type Scalar<Type extends ScalarType> = Type extends 'string' ? string : Type extends 'bool' ? boolean : number;

/** A value with its type. Numbers beyond 2⁵³ are not read. */
export type GgufValue = { [Type in ScalarType]: { readonly type: Type; readonly value: Scalar<Type> } | { readonly type: 'array'; readonly of: Type; readonly value: readonly Scalar<Type>[] } }[ScalarType];
export type GgufMetadata = ReadonlyMap<string, GgufValue>;

/** How many bytes a scalar takes; a string begins with its length, of 8. */
export const valueBytes: Readonly<Record<ScalarType, number>> = { u8: 1, i8: 1, u16: 2, i16: 2, u32: 4, i32: 4, f32: 4, bool: 1, string: 8, u64: 8, i64: 8, f64: 8 };

/** Types of tensors that this package reads and writes, with their numbers in files and the bytes of an element. */
export const tensorTypes = { f32: { number: 0, bytes: 4 }, f16: { number: 1, bytes: 2 }, bf16: { number: 30, bytes: 2 } } as const;
export type TensorType = keyof typeof tensorTypes;

export const aligned = (place: number, alignment: number): number => Math.ceil(place / alignment) * alignment;

import type { DType, TypedArray } from '@ashlar/tensor';

/** A safetensors file is not what it should be, or tensors cannot be written as one. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError';
  /** @param source The file. @param where The part of it: a tensor's name, a place in the header. */
  constructor(readonly source: string, readonly where: string, readonly problem: string) {
    super(`${source}: ${where}: ${problem}`);
  }
}

/** The dtypes that safetensors files hold and this package reads. */
export type StoredDType = 'F32' | 'F16' | 'BF16' | 'I32' | 'U32' | 'I64' | 'BOOL' | 'U8';

/**
 * Bytes of one stored element, and the dtype it becomes in memory.
 * BF16 becomes f32 exactly; I64 becomes i32 where every value fits; U8 becomes u32.
 */
export const storedDTypes: Readonly<Record<StoredDType, { readonly bytes: number; readonly dtype: DType }>> = {
  F32: { bytes: 4, dtype: 'f32' },
  F16: { bytes: 2, dtype: 'f16' },
  BF16: { bytes: 2, dtype: 'f32' },
  I32: { bytes: 4, dtype: 'i32' },
  U32: { bytes: 4, dtype: 'u32' },
  I64: { bytes: 8, dtype: 'i32' },
  BOOL: { bytes: 1, dtype: 'bool' },
  U8: { bytes: 1, dtype: 'u32' },
};

/** A tensor in host memory, elements in row-major order. f16 data are bit patterns, bool data 0 and 1. */
export interface HostTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

/** A tensor as it may be written; bf16 data are bit patterns. */
export type WritableTensor = HostTensor | { readonly dtype: 'bf16'; readonly shape: readonly number[]; readonly data: Uint16Array };

/** What a file's header says of one tensor. */
export interface StoredTensor {
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  /** Number of elements. */
  readonly size: number;
  /** Its bytes, counted from the start of the data. */
  readonly start: number;
  readonly end: number;
}

/** Bytes before the header: its length, as a u64. */
export const prefixBytes = 8;

/** The longest header that the format allows. */
export const maximumHeaderBytes = 100_000_000;

import { readElements } from './safetensors-elements.js';
import { prefixBytes, SafetensorsError, storedDTypes, type HostTensor, type StoredTensor } from './safetensors-format.js';
import { headerBytes, parseHeader } from './safetensors-header.js';

/** Bytes that can be read at any place: a file or a buffer. */
export interface ByteSource {
  /** For errors: the file's name. */
  readonly name: string;
  readonly bytes: number;
  /** Fills `into` with the bytes from `start` on. */
  read(start: number, into: Uint8Array): void;
}

/** A safetensors file whose header was read and checked; tensors are read when they are asked for. */
export interface SafetensorsReader {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: ReadonlyMap<string, string>;
  /** Reads one tensor. Throws SafetensorsError where there is none of that name or its values are out of range. */
  read(name: string): HostTensor;
}

/** Reads and checks the header of a safetensors file. Throws SafetensorsError. */
export function safetensorsReader(source: ByteSource): SafetensorsReader {
  const prefix = new Uint8Array(prefixBytes);
  if (source.bytes >= prefixBytes) source.read(0, prefix);
  const header = new Uint8Array(headerBytes(prefix, source.bytes, source.name));
  source.read(prefixBytes, header);
  const dataStart = prefixBytes + header.length;
  const { tensors, metadata } = parseHeader(header, source.bytes - dataStart, source.name);
  return {
    tensors,
    metadata,
    read(name) {
      const fail = (problem: string) => new SafetensorsError(source.name, `tensor ${JSON.stringify(name)}`, problem);
      const entry = tensors.get(name);
      if (entry === undefined) throw fail(`there is none of that name; the file has ${someNames(tensors)}`);
      const data = readElements(entry.dtype, entry.size, (into) => { if (into.length > 0) source.read(dataStart + entry.start, into); }, fail);
      return { dtype: storedDTypes[entry.dtype].dtype, shape: entry.shape, data };
    },
  };
}

function someNames(tensors: ReadonlyMap<string, unknown>): string {
  const names = [...tensors.keys()];
  return names.length === 0 ? 'none' : names.slice(0, 5).join(', ') + (names.length > 5 ? ` and ${names.length - 5} more` : '');
}

/** All that a safetensors file holds. */
export interface Safetensors {
  readonly tensors: ReadonlyMap<string, HostTensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Reads a whole safetensors file from memory; the tensors are copies.
 *
 * @param name For errors: the file's name.
 * @throws SafetensorsError
 */
export function readSafetensors(bytes: Uint8Array, name = 'safetensors'): Safetensors {
  const reader = safetensorsReader({ name, bytes: bytes.length, read: (start, into) => into.set(bytes.subarray(start, start + into.length)) });
  return allTensors(reader);
}

/** Reads every tensor of a file. */
export function allTensors(reader: SafetensorsReader): Safetensors {
  return { metadata: reader.metadata, tensors: new Map([...reader.tensors.keys()].map((name) => [name, reader.read(name)])) };
}

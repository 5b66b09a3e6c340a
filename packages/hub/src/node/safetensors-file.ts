import { replaceFile } from '@ashlar/text/node';
import { SafetensorsError } from '../safetensors-format.js';
import { allTensors, safetensorsReader, type Safetensors, type SafetensorsReader } from '../safetensors-reader.js';
import { safetensorsChunks, type Metadata, type NamedTensors } from '../safetensors-writer.js';
import { openFileSource } from './file-source.js';

/** An open safetensors file: each tensor's bytes are read when it is asked for. */
export interface SafetensorsFile extends SafetensorsReader, Disposable { close(): void }

/**
 * Opens a safetensors file and checks its header.
 *
 * @throws SafetensorsError, also where the file is missing.
 */
export function openSafetensors(path: string): SafetensorsFile {
  const source = openFileSource(path, (problem) => new SafetensorsError(path, 'file', problem));
  try {
    return { ...safetensorsReader(source), close: source.close, [Symbol.dispose]: source.close };
  } catch (error) {
    source.close();
    throw error;
  }
}

/** Reads a whole safetensors file. Throws SafetensorsError. */
export function readSafetensorsFile(path: string): Safetensors {
  using file = openSafetensors(path);
  return allTensors(file);
}

/**
 * Writes a safetensors file whole or not at all: what stood at `path` stays until the new file is complete on the disk.
 *
 * @throws SafetensorsError where the tensors cannot be written as one, FileWriteError where the file system refuses.
 */
export function writeSafetensors(path: string, tensors: NamedTensors, metadata: Metadata = {}): void {
  replaceFile(path, safetensorsChunks(tensors, metadata, path));
}

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { replaceFile } from '@ashlar/text/node';
import { SafetensorsError } from '../safetensors-format.js';
import { allTensors, safetensorsReader, type Safetensors, type SafetensorsReader } from '../safetensors-reader.js';
import { safetensorsChunks, type Metadata, type NamedTensors } from '../safetensors-writer.js';

/** An open safetensors file: each tensor's bytes are read when it is asked for. */
export interface SafetensorsFile extends SafetensorsReader, Disposable { close(): void }

/**
 * Opens a safetensors file and checks its header.
 *
 * @throws SafetensorsError, also where the file is missing.
 */
export function openSafetensors(path: string): SafetensorsFile {
  const descriptor = open(path);
  let isOpen = true;
  const close = () => {
    if (isOpen) closeSync(descriptor);
    isOpen = false;
  };
  try {
    const bytes = fstatSync(descriptor).size;
    const reader = safetensorsReader({ name: path, bytes, read: (start, into) => {
      if (!isOpen) throw new SafetensorsError(path, 'file', 'it is closed');
      readExactly(descriptor, path, start, into);
    } });
    return { ...reader, close, [Symbol.dispose]: close };
  } catch (error) {
    close();
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

function open(path: string): number {
  try {
    const descriptor = openSync(path, 'r');
    if (fstatSync(descriptor).isFile()) return descriptor;
    closeSync(descriptor);
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    throw new SafetensorsError(path, 'file', code === 'ENOENT' ? 'there is no such file' : message);
  }
  throw new SafetensorsError(path, 'file', 'it is no regular file');
}

const largestRead = 2 ** 30;

function readExactly(descriptor: number, path: string, start: number, into: Uint8Array): void {
  for (let done = 0; done < into.length;) {
    const size = readSync(descriptor, into, done, Math.min(into.length - done, largestRead), start + done);
    if (size === 0) throw new SafetensorsError(path, 'file', `it ends at byte ${start + done}, sooner than when it was opened`);
    done += size;
  }
}

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { ByteSource } from '../safetensors-reader.js';

/** An open file whose bytes are read when they are asked for. */
export interface FileSource extends ByteSource, Disposable { close(): void }

const largestRead = 2 ** 30;

/**
 * Opens a regular file for reading.
 * @param fail Makes the error of a problem: the file is missing, no regular file, closed, or shorter than when it was opened.
 */
export function openFileSource(path: string, fail: (problem: string) => Error): FileSource {
  const descriptor = open(path, fail);
  let isOpen = true;
  const close = (): void => {
    if (isOpen) closeSync(descriptor);
    isOpen = false;
  };
  return {
    name: path, bytes: fstatSync(descriptor).size, close, [Symbol.dispose]: close,
    read(start, into) {
      if (!isOpen) throw fail('it is closed');
      for (let done = 0; done < into.length;) {
        const size = readSync(descriptor, into, done, Math.min(into.length - done, largestRead), start + done);
        if (size === 0) throw fail(`it ends at byte ${start + done}, sooner than when it was opened`);
        done += size;
      }
    },
  };
}

function open(path: string, fail: (problem: string) => Error): number {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    throw fail((error as { code?: string }).code === 'ENOENT' ? 'there is no such file' : (error as Error).message);
  }
  if (fstatSync(descriptor).isFile()) return descriptor;
  closeSync(descriptor);
  throw fail('it is no regular file');
}

import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** A file could not be written. What stood at `path` before is untouched. */
export class FileWriteError extends Error {
  override readonly name = 'FileWriteError';
  constructor(readonly path: string, override readonly cause: unknown) {
    super(`cannot write ${path}: ${reasonOf(cause)}; what was there before is untouched`);
  }
}

let serial = 0;

/**
 * Writes a file so that `path` holds either the whole new contents or what it held before, also when the process is
 * killed, the disk is full or `chunks` throws: the bytes go to a temporary file in the same folder, are flushed to the
 * disk, and the file is renamed.
 *
 * @throws FileWriteError where the file system refuses; an error of `chunks` itself passes through.
 */
export function replaceFile(path: string, chunks: Iterable<Uint8Array>): void {
  const file = replacement(path);
  try {
    for (const chunk of chunks) file.write(chunk);
    file.finish();
  } finally {
    file.discard();
  }
}

/** The same, of chunks that come when they come. */
export async function replaceFileFrom(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const file = replacement(path);
  try {
    for await (const chunk of chunks) file.write(chunk);
    file.finish();
  } finally {
    file.discard();
  }
}

/** A file under a temporary name that takes the place of `path` when it is finished; `discard` removes what is not. */
function replacement(path: string): { write(chunk: Uint8Array): void; finish(): void; discard(): void } {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}-${serial++}.tmp`);
  let descriptor: number | undefined = attempt(path, () => openSync(temporary, 'wx')), isFinished = false;
  const close = (): void => {
    const open = descriptor;
    descriptor = undefined;
    if (open !== undefined) closeSync(open);
  };
  return {
    write: (chunk) => attempt(path, () => writeAll(descriptor!, chunk)),
    finish() {
      attempt(path, () => fsyncSync(descriptor!));
      attempt(path, close);
      attempt(path, () => renameSync(temporary, path));
      isFinished = true;
      flushFolder(dirname(path));
    },
    discard() {
      if (isFinished) return;
      close();
      rmSync(temporary, { force: true });
    },
  };
}

function writeAll(descriptor: number, chunk: Uint8Array): void {
  for (let written = 0; written < chunk.length;) written += writeSync(descriptor, chunk, written, chunk.length - written);
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new FileWriteError(path, error);
  }
}

/** Makes the rename itself durable. Windows has no such operation on folders. */
function flushFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would exceed the allowed size',
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'the file system is read-only',
  ENOENT: 'its folder does not exist',
  EISDIR: 'it is a folder',
};

function reasonOf(cause: unknown): string {
  const { code, message } = cause as { code?: string; message?: string };
  const reason = code === undefined ? undefined : reasons[code];
  return reason === undefined ? message ?? String(cause) : `${reason} (${code})`;
}

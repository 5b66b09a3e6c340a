import { closeSync, existsSync, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { FileWriteError, replaceFile } from '@ashlar/text/node';
import { parseMetricsRow, type MetricsRow } from '../metrics.js';

/** A line of a metrics file is no row. */
export class MetricsFileError extends Error {
  override readonly name = 'MetricsFileError';
}

/** An open `metrics.jsonl`. */
export interface MetricsFile extends Disposable {
  /** Adds a row. Where the disk refuses, what was there before stays as it was. Throws FileWriteError. */
  append(row: MetricsRow): void;
  /** Makes all rows so far durable. Throws FileWriteError. */
  flush(): void;
  close(): void;
}

/**
 * Opens a file of metrics, one JSON row a line, to go on after `step`: rows of later steps, and a half row that a
 * killed process left at the end, are removed first, by a file that replaces the old one in one rename.
 *
 * @throws MetricsFileError on a damaged line other than the last, FileWriteError
 */
export function openMetrics(path: string, { after }: { readonly after: number }): MetricsFile {
  const kept = existsSync(path) ? readMetrics(path).filter((row) => row.step <= after) : [];
  const text = kept.map((row) => `${JSON.stringify(row)}\n`).join('');
  if (!existsSync(path) || readFileSync(path, 'utf8') !== text) replaceFile(path, [new TextEncoder().encode(text)]);

  const descriptor = attempt(path, () => openSync(path, 'a'));
  let open = true;
  const close = (): void => {
    if (open) closeSync(descriptor);
    open = false;
  };
  return {
    append(row) {
      const line = Buffer.from(`${JSON.stringify(row)}\n`);
      const before = fstatSync(descriptor).size;
      try {
        for (let done = 0; done < line.length;) done += writeSync(descriptor, line, done);
      } catch (error) {
        if (fstatSync(descriptor).size > before) ftruncateSync(descriptor, before);
        throw new FileWriteError(path, error);
      }
    },
    flush() {
      attempt(path, () => fsyncSync(descriptor));
    },
    close,
    [Symbol.dispose]: close,
  };
}

/**
 * The rows of a metrics file, each step once (the later line of two), in the order of their steps. A last line that was
 * cut off is left out.
 *
 * @throws MetricsFileError on a damaged line before the last.
 */
export function readMetrics(path: string): MetricsRow[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  const rows = new Map<number, MetricsRow>();
  lines.forEach((line, index) => {
    const row = parseMetricsRow(line);
    if (row !== undefined) rows.set(row.step, row);
    else if (index < lines.length - 1 && !isTail(lines, index)) throw new MetricsFileError(`${path}: line ${index + 1} is no metrics row: mend or remove it`);
  });
  return [...rows.values()].sort((a, b) => a.step - b.step);
}

/** Whether only blank lines follow. */
const isTail = (lines: readonly string[], index: number): boolean => lines.slice(index + 1).every((line) => line.trim() === '');

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new FileWriteError(path, error);
  }
}

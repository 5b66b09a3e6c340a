/** Tuned choices in a file of the cache folder, one for each adapter and kernel version. */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TuningStore } from '@ashlar/webgpu';
import { cacheFolder } from './cache-folder.js';

const isChoices = (value: unknown): value is Record<string, string> =>
  typeof value === 'object' && value !== null && Object.values(value).every((choice) => typeof choice === 'string');

/** A store in `folder`. A file that cannot be read, or was damaged, counts as none: tuning then measures again. */
export function tuningFiles(folder: string = join(cacheFolder(), 'tuning')): TuningStore {
  const path = (key: string): string => join(folder, `${createHash('sha256').update(key).digest('hex').slice(0, 16)}.json`);
  return {
    async load(key) {
      try {
        const stored: unknown = JSON.parse(await readFile(path(key), 'utf8'));
        const { key: storedKey, choices } = stored as { key?: unknown; choices?: unknown };
        return storedKey === key && isChoices(choices) ? choices : undefined;
      } catch { return undefined; }
    },
    async save(key, choices) {
      await mkdir(folder, { recursive: true });
      const temporary = `${path(key)}.${randomUUID()}`;
      try {
        await writeFile(temporary, `${JSON.stringify({ key, choices }, undefined, 2)}\n`);
        await rename(temporary, path(key));
      } finally { await rm(temporary, { force: true }); }
    },
  };
}

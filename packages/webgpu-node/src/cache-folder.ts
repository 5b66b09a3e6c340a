import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where files that can be made again are kept: `ASHLAR_CACHE`, else the system's habit. */
export function cacheFolder(): string {
  const { ASHLAR_CACHE, XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  if (ASHLAR_CACHE) return ASHLAR_CACHE;
  if (process.platform === 'win32' && LOCALAPPDATA) return join(LOCALAPPDATA, 'ashlar', 'cache');
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'ashlar');
  return join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'ashlar');
}

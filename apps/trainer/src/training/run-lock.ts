import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { FileWriteError } from '@ashlar/text/node';
import { exitCodes, Failure } from '../failure.js';
import type { RunFolder } from '../run-folder.js';

interface Holder { readonly process: number; readonly host: string }

/**
 * Keeps a run for this process until disposed of: two that write one run would spoil it. What a process left that is no
 * longer alive on this machine is taken over.
 * @throws Failure with exit code 2 where another process has it, FileWriteError where the folder cannot be written.
 */
export function holdRun({ lock, shownPath }: RunFolder): Disposable {
  const own: Holder = { process: process.pid, host: hostname() };
  for (;;) {
    try {
      writeFileSync(lock, JSON.stringify(own), { flag: 'wx' });
      return { [Symbol.dispose]: () => rmSync(lock, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw new FileWriteError(lock, error);
    }
    const holder = holderOf(lock);
    if (holder && (holder.host !== own.host || (holder.process !== own.process && isAlive(holder.process)))) {
      throw new Failure(exitCodes.usage, `${shownPath} is being trained by process ${holder.process} on ${holder.host}: wait for it, or stop it and go on by --resume; if there is no such process, remove ${lock}`);
    }
    // Moved away first: of several that find it, one alone takes it.
    const aside = `${lock}.${process.pid}`;
    try { renameSync(lock, aside); } catch (error) { if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw new FileWriteError(lock, error); }
    rmSync(aside, { force: true });
  }
}

/** Who holds it; undefined where it is gone, or was not written to its end even a moment later. */
function holderOf(lock: string, again = true): Holder | undefined {
  try {
    const { process, host } = JSON.parse(readFileSync(lock, 'utf8')) as Partial<Holder>;
    return typeof process === 'number' && typeof host === 'string' ? { process, host } : undefined;
  } catch (error) {
    if (!again || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    return holderOf(lock, false);
  }
}

function isAlive(id: number): boolean {
  try { process.kill(id, 0); return true; } catch (error) { return (error as NodeJS.ErrnoException).code === 'EPERM'; }
}

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runFolder, stateOf, type RunFolder } from '../run-folder.js';
import { holdRun } from './run-lock.js';

let run: RunFolder;
beforeEach(() => { run = runFolder(mkdtempSync(join(tmpdir(), 'ashlar-lock-'))); });
afterEach(() => rmSync(run.path, { recursive: true }));

const heldBy = (process: number, host = hostname()): void => writeFileSync(run.lock, JSON.stringify({ process, host }));

test('a run is held until it is given back', () => {
  {
    using _ = holdRun(run);
    expect(JSON.parse(readFileSync(run.lock, 'utf8'))).toEqual({ process: process.pid, host: hostname() });
    expect(stateOf(run)).toBe('empty');
  }
  expect(existsSync(run.lock)).toBe(false);
});

test('a process that is alive, or on another machine, keeps it', () => {
  heldBy(process.ppid);
  expect(() => holdRun(run)).toThrow(`is being trained by process ${process.ppid} on ${hostname()}: wait for it, or stop it and go on by --resume; if there is no such process, remove ${run.lock}`);
  heldBy(process.pid, 'elsewhere');
  expect(() => holdRun(run)).toThrow('on elsewhere');
  expect(JSON.parse(readFileSync(run.lock, 'utf8'))).toEqual({ process: process.pid, host: 'elsewhere' });
});

test('what a process left that is gone is taken over; so is what nobody can read', () => {
  const { pid } = spawnSync(process.execPath, ['--version']);
  for (const leave of [() => heldBy(pid), () => heldBy(process.pid), () => writeFileSync(run.lock, '{"proc')]) {
    leave();
    using _ = holdRun(run);
    expect(JSON.parse(readFileSync(run.lock, 'utf8'))).toMatchObject({ process: process.pid });
  }
});

test('a folder that cannot be written says so', () => {
  expect(() => holdRun({ ...run, lock: join(run.path, 'missing', '.lock') })).toThrow('ENOENT');
});

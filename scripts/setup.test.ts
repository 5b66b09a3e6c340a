import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkNode, pinnedPnpm } from './setup.mjs';
import { fingerprint, isStamped, networkHint, run, stamp, StepError } from './steps.mjs';

let folder: string;
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'ashlar-setup-')); });
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('an old Node is refused with the version that is needed', () => {
  for (const version of ['20.18.9', '18.20.0', '9.99.0']) expect(() => checkNode(version, '>=20.19')).toThrow(`needs Node 20.19 or newer, and this is Node ${version}`);
  for (const version of ['20.19.0', '20.20.2', '22.0.0', '100.1.0']) expect(checkNode(version, '>=20.19')).toBeUndefined();
});

test('pnpm is pinned exactly', () => {
  expect(pinnedPnpm('pnpm@12.21.0')).toBe('12.21.0');
  expect(() => pinnedPnpm('pnpm@^12')).toThrow('must be pnpm@MAJOR.MINOR.PATCH, got pnpm@^12');
});

test('a stamp holds until a file, its name or the version changes', () => {
  const file = join(folder, 'lock'), other = join(folder, 'other'), at = join(folder, 'deep', 'stamp');
  writeFileSync(file, 'one');
  writeFileSync(other, 'one');
  const print = fingerprint([file], '1.0.0');
  expect(isStamped(at, print)).toBe(false);
  stamp(at, print);
  expect(isStamped(at, fingerprint([file], '1.0.0'))).toBe(true);
  expect(isStamped(at, fingerprint([file], '1.0.1'))).toBe(false);
  expect(isStamped(at, fingerprint([other], '1.0.0'))).toBe(false);
  writeFileSync(file, 'two');
  expect(isStamped(at, fingerprint([file], '1.0.0'))).toBe(false);
});

test('a failing program is named with its output, and a network failure with what to do', async () => {
  const fail = (text: string) => run(process.execPath, ['-e', `console.log(${JSON.stringify(text)}); process.exit(3)`]);
  await expect(fail('bad luck')).rejects.toThrow(/bad luck[\s\S]*ended with exit code 3$/);
  await expect(fail('npm error code EAI_AGAIN')).rejects.toThrow('The package registry could not be reached (EAI_AGAIN): connect to the network');
  await expect(run(join(folder, 'absent'), [])).rejects.toThrow(StepError);
  expect(networkHint('all fine')).toBe('');
});

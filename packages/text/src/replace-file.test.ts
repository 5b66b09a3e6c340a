import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FileWriteError, replaceFile } from './node.js';

const disk = vi.hoisted(() => ({ free: Infinity, failing: '' }));
vi.mock('node:fs', async (original) => {
  const real = await original<typeof import('node:fs')>();
  const refuse = (operation: string, code: string) => Object.assign(new Error(`${code}: ${operation}`), { code });
  return {
    ...real,
    writeSync(descriptor: number, bytes: Uint8Array, offset: number, length: number) {
      const size = Math.min(length, disk.free);
      if (size === 0 && length > 0) throw refuse('write', 'ENOSPC');
      disk.free -= size;
      return real.writeSync(descriptor, bytes, offset, size);
    },
    fsyncSync(descriptor: number) {
      if (disk.failing === 'fsync') throw refuse('fsync', 'EIO');
      real.fsyncSync(descriptor);
    },
    renameSync(from: string, to: string) {
      if (disk.failing === 'rename') throw refuse('rename', 'EACCES');
      real.renameSync(from, to);
    },
  };
});

let folder: string, path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-replace-'));
  path = join(folder, 'kept.bin');
  writeFileSync(path, 'before');
  Object.assign(disk, { free: Infinity, failing: '' });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const bytes = (text: string) => new TextEncoder().encode(text);
const untouched = () => {
  expect(readFileSync(path, 'utf8')).toBe('before');
  expect(readdirSync(folder)).toEqual(['kept.bin']);
};

describe('replaceFile', () => {
  test('replaces the contents and leaves nothing else', () => {
    replaceFile(path, [bytes('af'), bytes(''), bytes('ter')]);
    expect(readFileSync(path, 'utf8')).toBe('after');
    expect(readdirSync(folder)).toEqual(['kept.bin']);
  });

  test.each([0, 1, 7])('a disk with %i bytes left keeps the earlier file', (free) => {
    disk.free = free;
    expect(() => replaceFile(path, [bytes('after'), bytes('wards')])).toThrow(FileWriteError);
    disk.free = free;
    expect(() => replaceFile(path, [bytes('after'), bytes('wards')])).toThrow(`cannot write ${path}: the disk is full (ENOSPC); what was there before is untouched`);
    untouched();
  });

  test('short writes are continued', () => {
    disk.free = 10;
    replaceFile(path, [bytes('0123456789')]);
    expect(readFileSync(path, 'utf8')).toBe('0123456789');
  });

  test.each([['fsync', 'EIO'], ['rename', 'no permission (EACCES)']])('a failing %s keeps the earlier file', (failing, message) => {
    disk.failing = failing;
    expect(() => replaceFile(path, [bytes('after')])).toThrow(message);
    untouched();
  });

  test('an error while the contents are made passes through and keeps the earlier file', () => {
    const contents = function* () {
      yield bytes('half');
      throw new TypeError('made wrong');
    };
    expect(() => replaceFile(path, contents())).toThrow(new TypeError('made wrong'));
    untouched();
  });

  test('a folder that does not exist is said', () => {
    expect(() => replaceFile(join(folder, 'absent', 'file'), [])).toThrow('its folder does not exist (ENOENT)');
  });
});

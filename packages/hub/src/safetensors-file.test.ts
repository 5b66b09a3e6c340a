import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileWriteError } from '@ashlar/text/node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SafetensorsError, type HostTensor } from './index.js';
import { openSafetensors, readSafetensorsFile, writeSafetensors } from './node.js';

let folder: string;
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'ashlar-hub-')); });
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tensors: Record<string, HostTensor> = {
  w: { dtype: 'f32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
  flags: { dtype: 'bool', shape: [3], data: Uint32Array.of(1, 0, 1) },
};

test('what was written is read, whole and by tensor', () => {
  const path = join(folder, 'a.safetensors');
  writeSafetensors(path, tensors, { step: '7' });
  const all = readSafetensorsFile(path);
  expect(Object.fromEntries(all.tensors)).toEqual(tensors);
  expect(all.metadata.get('step')).toBe('7');
  const file = openSafetensors(path);
  expect(file.read('flags')).toEqual(tensors.flags);
  expect(file.tensors.get('w')).toEqual({ dtype: 'F32', shape: [2, 3], size: 6, start: 0, end: 24 });
  file.close();
  expect(() => file.read('w')).toThrow('it is closed');
});

test('a writing that fails leaves the earlier file and nothing else', () => {
  const path = join(folder, 'kept', '..', 'b.safetensors');
  const kept = join(folder, 'b.safetensors');
  writeSafetensors(kept, tensors);
  const before = readFileSync(kept);
  const others = readdirSync(folder);
  expect(() => writeSafetensors(kept, { ...tensors, flags: { ...tensors.flags!, data: Uint32Array.of(1, 2, 1) } })).toThrow(SafetensorsError);
  expect(() => writeSafetensors(kept, { ...tensors, w: { ...tensors.w!, shape: [7] } })).toThrow(SafetensorsError);
  expect(readFileSync(kept)).toEqual(before);
  expect(readdirSync(folder)).toEqual(others);
  expect(() => writeSafetensors(join(folder, 'absent', 'c.safetensors'), tensors)).toThrow(FileWriteError);
  expect(readFileSync(path)).toEqual(before);
});

test('missing, foreign and truncated files are named', () => {
  expect(() => openSafetensors(join(folder, 'absent'))).toThrow(`${join(folder, 'absent')}: file: there is no such file`);
  expect(() => openSafetensors(folder)).toThrow('it is no regular file');
  const path = join(folder, 'text.safetensors');
  writeFileSync(path, 'It was a dark and stormy night.');
  expect(() => readSafetensorsFile(path)).toThrow(`${path}: header length: at most 100000000 bytes are allowed`);
  writeSafetensors(path, tensors);
  const { length } = readFileSync(path);
  for (const size of [0, 7, 8, 100, length - 1]) {
    truncateSync(path, size);
    expect(() => readSafetensorsFile(path)).toThrow(SafetensorsError);
    writeSafetensors(path, tensors);
  }
});

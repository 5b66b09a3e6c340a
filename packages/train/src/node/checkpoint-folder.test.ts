import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSafetensorsFile, writeSafetensors } from '@ashlar/hub/node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CheckpointError, type Checkpoint } from '../checkpoint.js';
import { checkpointFolder } from './checkpoint-folder.js';

const format = { write: writeSafetensors, read: readSafetensorsFile };
let folder: string;
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'ashlar-checkpoints-')); });
afterEach(() => { rmSync(folder, { recursive: true, force: true }); });

const checkpoint = (step: number): Checkpoint => ({
  facts: { step, seed: 3, configHash: 'abc', optimizerCount: step, device: 'wasm', tokenizer: { type: 'byte' } },
  tensors: new Map([
    ['parameters.weight', { dtype: 'f32' as const, shape: [2, 3], data: Float32Array.of(step, -0, 1e-40, NaN, Infinity, 0.1) }],
    ['optimizer.firstMoment.weight', { dtype: 'f32' as const, shape: [1], data: Float32Array.of(step / 7) }],
  ]),
});
const pathOf = (step: number) => join(folder, `checkpoint-${step}.safetensors`);
const files = () => readdirSync(folder).sort();

describe('checkpointFolder', () => {
  test('gives back the newest, bit for bit', () => {
    const store = checkpointFolder(folder, { format });
    expect(store.newest()).toBeUndefined();
    expect(store.save(checkpoint(9))).toBe(pathOf(9));
    store.save(checkpoint(10));
    const found = store.newest()!;
    expect(found).toMatchObject({ path: pathOf(10), facts: checkpoint(10).facts, damaged: [] });
    for (const [name, { dtype, shape, data }] of checkpoint(10).tensors) {
      const read = found.tensors.get(name)!;
      expect({ dtype: read.dtype, shape: [...read.shape] }).toEqual({ dtype, shape });
      expect(new Uint8Array(read.data.buffer, read.data.byteOffset, read.data.byteLength)).toEqual(new Uint8Array(data.buffer));
    }
  });

  test('keeps the two newest, and removes an older one only once the new one is there', () => {
    const store = checkpointFolder(folder, { format: { ...format, write: (path, tensors, metadata) => {
      const before = files();
      format.write(path, tensors, metadata);
      expect(files()).toEqual([...before, path.slice(folder.length + 1)].sort());
    } } });
    for (const step of [8, 9, 10, 11]) store.save(checkpoint(step));
    expect(store.steps()).toEqual([11, 10]);
  });

  const damages: Record<string, (path: string) => void> = {
    'cut off in its data': (path) => truncateSync(path, readFileSync(path).length - 3),
    'cut off in its header': (path) => truncateSync(path, 20),
    'empty': (path) => truncateSync(path, 0),
    'with one bit of a tensor changed': (path) => {
      const bytes = readFileSync(path);
      bytes[bytes.length - 5]! ^= 4;
      writeFileSync(path, bytes);
    },
    'with another step in its name': (path) => copyFileSync(pathOf(9), path),
    'that is a plain tensor file': (path) => writeSafetensors(path, checkpoint(10).tensors),
    'whose facts are no JSON': (path) => writeSafetensors(path, checkpoint(10).tensors, { checkpoint: '{"step":' }),
    'whose facts lack the step': (path) => writeSafetensors(path, checkpoint(10).tensors, { checkpoint: '{"seed":1}' }),
    'filled with zeros': (path) => writeFileSync(path, Buffer.alloc(readFileSync(path).length)),
  };
  test.each(Object.entries(damages))('goes back past a file %s', (_, damage) => {
    const store = checkpointFolder(folder, { format });
    store.save(checkpoint(9));
    store.save(checkpoint(10));
    damage(pathOf(10));
    const found = store.newest()!;
    expect(found.facts.step).toBe(9);
    expect(found.damaged).toHaveLength(1);
    expect(found.damaged[0]).toBeInstanceOf(CheckpointError);
    expect(found.damaged[0]!.message.startsWith(`${pathOf(10)}: `)).toBe(true);
    expect(found.damaged[0]!.message.split(pathOf(10))).toHaveLength(2);

    store.save(checkpoint(10));
    expect(store.newest()!.facts.step).toBe(10);
  });

  test('a damaged newer one does not displace a good one', () => {
    const store = checkpointFolder(folder, { format });
    store.save(checkpoint(9));
    store.save(checkpoint(30));
    truncateSync(pathOf(30), 50);
    store.save(checkpoint(10));
    expect(files()).toEqual(['checkpoint-10.safetensors', 'checkpoint-9.safetensors']);
  });

  test('throws where all are damaged', () => {
    const store = checkpointFolder(folder, { format });
    store.save(checkpoint(9));
    truncateSync(pathOf(9), 50);
    expect(() => store.newest()).toThrow(CheckpointError);
  });

  test('a write that fails leaves the earlier ones', () => {
    const failing = checkpointFolder(folder, { format: { ...format, write: () => { throw new Error('the disk is full'); } } });
    const store = checkpointFolder(folder, { format });
    store.save(checkpoint(8));
    store.save(checkpoint(9));
    expect(() => failing.save(checkpoint(10))).toThrow('the disk is full');
    expect(store.steps()).toEqual([9, 8]);
    expect(store.newest()!.facts.step).toBe(9);
  });

  test('removes what a killed process left half written, and nothing else', () => {
    const store = checkpointFolder(folder, { format });
    store.save(checkpoint(9));
    writeFileSync(join(folder, '.checkpoint-10.safetensors.4711-0.tmp'), 'half');
    writeFileSync(join(folder, 'metrics.jsonl'), '');
    writeFileSync(join(folder, '.other.tmp'), '');
    store.removeLeftovers();
    expect(files()).toEqual(['.other.tmp', 'checkpoint-9.safetensors', 'metrics.jsonl']);
  });

  test('the leftovers are those that a killed write really leaves', () => {
    let temporary: string | undefined;
    expect(() => writeSafetensors(pathOf(1), new Map([['x', { dtype: 'bool' as const, shape: [1], get data() {
      temporary = files().find((name) => name.endsWith('.tmp')) ?? temporary;
      return Uint32Array.of(1);
    } }]]))).not.toThrow();
    expect(temporary).toBeDefined();
    writeFileSync(join(folder, temporary!), 'half');
    checkpointFolder(folder, { format }).removeLeftovers();
    expect(existsSync(join(folder, temporary!))).toBe(false);
  });

  test('refuses to keep fewer than two', () => {
    expect(() => checkpointFolder(folder, { format, keep: 1 })).toThrow('keep must be a whole number from 2, got 1');
  });
});

import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MetricsRow } from '../metrics.js';
import { MetricsFileError, openMetrics, readMetrics } from './metrics-file.js';

let folder: string, path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-metrics-'));
  path = join(folder, 'metrics.jsonl');
});
afterEach(() => { rmSync(folder, { recursive: true, force: true }); });

const row = (step: number, loss = 1 / step): MetricsRow => ({ step, loss, learningRate: 1e-3, gradNorm: 0.5, tokensPerSecond: 100, seconds: 0.5, ...(step % 20 === 0 ? { valLoss: loss + 1 } : {}) });
const lines = (steps: readonly number[]) => steps.map((step) => `${JSON.stringify(row(step))}\n`).join('');

describe('openMetrics', () => {
  test('appends whole rows', () => {
    {
      using file = openMetrics(path, { after: 0 });
      file.append(row(10));
      expect(readFileSync(path, 'utf8')).toBe(lines([10]));
      file.append(row(20));
      file.flush();
    }
    expect(readFileSync(path, 'utf8')).toBe(lines([10, 20]));
    expect(readMetrics(path)).toEqual([row(10), row(20)]);
  });

  test.each([
    ['rows after the step', lines([10, 20, 30, 40])],
    ['a half row at the end', lines([10, 20, 30]) + lines([40]).slice(0, 17)],
    ['a half row directly after the step', lines([10, 20]) + '{"step":3'],
    ['a last row without its line end', lines([10, 20, 30]).trimEnd()],
    ['zeros at the end, as a lost power leaves', lines([10, 20]) + '\0\0\0\0'],
    ['rows that are there twice', lines([10, 20, 10, 20])],
    ['nothing to remove', lines([10, 20])],
  ])('going on after a step removes: %s', (_, text) => {
    writeFileSync(path, text);
    {
      using file = openMetrics(path, { after: 20 });
      expect(readFileSync(path, 'utf8')).toBe(lines([10, 20]));
      file.append(row(30, 9));
    }
    expect(readFileSync(path, 'utf8')).toBe(lines([10, 20]) + `${JSON.stringify(row(30, 9))}\n`);
    expect(readdirSync(folder)).toEqual(['metrics.jsonl']);
  });

  test('begins anew after step 0', () => {
    writeFileSync(path, lines([10, 20]));
    openMetrics(path, { after: 0 }).close();
    expect(readFileSync(path, 'utf8')).toBe('');
  });

  test('a damaged line in the middle is named, and the file left as it is', () => {
    const text = `${lines([10])}{"step":20,\n${lines([30])}`;
    writeFileSync(path, text);
    expect(() => openMetrics(path, { after: 30 })).toThrow(MetricsFileError);
    expect(() => openMetrics(path, { after: 30 })).toThrow('line 2');
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  test.each(['{"step":1}', '{"step":0,"loss":1,"learningRate":1,"gradNorm":1,"tokensPerSecond":1,"seconds":1}', '[]', 'null', '{"step":1,"loss":"1","learningRate":1,"gradNorm":1,"tokensPerSecond":1,"seconds":1}'])('%s is no row', (line) => {
    writeFileSync(path, `${line}\n${lines([2])}`);
    expect(() => readMetrics(path)).toThrow('line 1');
  });

  test('what another program appends meanwhile is not overwritten', () => {
    using file = openMetrics(path, { after: 0 });
    file.append(row(10));
    appendFileSync(path, lines([15]));
    file.append(row(20));
    expect(readFileSync(path, 'utf8')).toBe(lines([10, 15, 20]));
  });
});

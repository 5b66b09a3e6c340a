import { expect, it } from 'vitest';
import { allowedGrowth, judgeMemory, type MemorySample } from './verdict.js';

const run = (change: (step: number) => Partial<MemorySample>): MemorySample[] =>
  Array.from({ length: 11 }, (_, i) => i * 100 || 2).map((step) => ({
    step, heapBytes: 2e7, rssBytes: 3e8, deviceBytes: 1e7, pipelines: 40, bindGroups: 60, allocations: 90, ...change(step),
  }));

it('calls steady memory flat, also with noise and a warm-up', () => {
  expect(judgeMemory(run(() => ({})))).toEqual({ flat: true, reasons: [] });
  expect(judgeMemory(run((step) => ({ heapBytes: 2e7 + (step % 3) * 1e5, rssBytes: step < 300 ? 2e8 : 3e8 + (step % 7) * 1e6 }))).flat).toBe(true);
});

it('finds a leak of heap, of resident memory, and any change of the device', () => {
  expect(judgeMemory(run((step) => ({ heapBytes: 2e7 + step * 1e4 }))).reasons[0]).toContain('heapBytes');
  expect(judgeMemory(run((step) => ({ rssBytes: 3e8 + step * 1e5 }))).reasons[0]).toContain('rssBytes');
  for (const key of ['deviceBytes', 'pipelines', 'bindGroups', 'allocations'] as const) {
    expect(judgeMemory(run((step) => (step >= 900 ? { [key]: 1 + run(() => ({}))[0]![key] } : {}))).reasons).toEqual([expect.stringContaining(`${key}:`)]);
  }
});

it('tells growth just above what is allowed from growth just below', () => {
  const grown = (bytes: number): MemorySample[] => run((step) => ({ heapBytes: 2e7 + (step >= 900 ? bytes : 0) }));
  expect(judgeMemory(grown(allowedGrowth.heapBytes + 1)).flat).toBe(false);
  expect(judgeMemory(grown(allowedGrowth.heapBytes)).flat).toBe(true);
});

it('refuses to judge too few samples', () => expect(() => judgeMemory(run(() => ({})).slice(0, 4))).toThrow('at least 5 samples'));

import { causal, slidingWindow, type Mask } from '@ashlar/attention';
import { wasm } from '@ashlar/wasm';
import { expect, test } from 'vitest';
import { attentionCases, type AttentionCase } from './cases.js';
import { measureAttention } from './measure.js';

test('every case is right, and its share of visible scores is counted', async () => {
  const device = await wasm(), cases = attentionCases(8), times = await measureAttention(device, cases, 32, 1);
  expect(times.map(({ name }) => name)).toEqual(cases.map(({ name }) => name));
  const share = (f: (q: number, k: number) => boolean): number => Array.from({ length: 32 * 32 }, (_, i) => Number(f(Math.floor(i / 32), i % 32))).reduce((a, b) => a + b) / 1024;
  const of = (name: string): number => times.find((time) => time.name === name)!.visible;
  expect(of('causal')).toBe(share((q, k) => k <= q));
  expect(of('slidingWindow(8)')).toBe(share((q, k) => k <= q && q - k < 8));
  expect(times.every(({ forwardMs, trainingMs, bytes }) => forwardMs > 0 && trainingMs > 0 && bytes > 0)).toBe(true);
  await device.close();
});

test('a case that is wrong on the device gets no time', async () => {
  const device = await wasm();
  let asked = 0;
  const wavering: Mask = (point) => (asked++ % 2 === 0 ? slidingWindow(4)(point) : causal(point)); // another mask for the interpreter than for the device
  const wrong: AttentionCase = { name: 'wavering', mask: causal, options: { mask: wavering } };
  await expect(measureAttention(device, [wrong], 16, 1)).rejects.toThrow(/wavering: the output is off by/);
  await device.close();
});

import { expect, test } from 'vitest';
import { slidingWindow, multiHead, type Mask } from '@ashlar/attention';
import { wasm } from '@ashlar/wasm';
import { mixerCases } from './cases.js';
import { renderMixers } from './command.js';
import { measureMixer } from './measure.js';

test('times and the size of the state', async () => {
  const device = await wasm({ threads: 1 });
  const [short, long] = [await measureMixer(device, 'retention', mixerCases['retention']!, 20, 1), await measureMixer(device, 'retention', mixerCases['retention']!, 200, 1)];
  expect([short.stateBytes, long.stateBytes]).toEqual([4 * 2 * 32 * 32, 4 * 2 * 32 * 32]);
  expect([short.trainingMs, short.decodingMs, short.trainingBytes].every((value) => value > 0)).toBe(true);
  expect(long.trainingBytes).toBeGreaterThan(short.trainingBytes);
  expect(renderMixers('here', [short])).toContain('| retention | 20 |');
  await device.close();
});

test('a layer that is wrong on the device gets no time', async () => {
  const device = await wasm({ threads: 1 });
  let asked = 0;
  const wavering: Mask = (point) => slidingWindow(asked++ % 2 === 0 ? 4 : 9)(point); // another mask for the interpreter than for the device
  await expect(measureMixer(device, 'wavering', multiHead({ heads: 2, mask: wavering }), 20, 1)).rejects.toThrow(/wavering: the output is off by/);
  await device.close();
});

import { expect, it } from 'vitest';
import { fmaLoop, fmaModule, flopsPerTurn, relaxedSimd } from './fma-loop.js';

interface Loop { run(turns: number): number }

it.each([false, true])('the loop computes x/2 + 1/2 again and again (fused: %s)', (fused) => {
  if (fused) expect(relaxedSimd()).toBe(true);
  const { run } = new WebAssembly.Instance(new WebAssembly.Module(fmaModule(fused))).exports as unknown as Loop;
  for (const turns of [1, 2, 3, 10]) expect(run(turns)).toBeCloseTo(1 - 0.5 ** turns, 6);
  expect(run(1000)).toBeCloseTo(1, 6);
});

it('counts the operations of the code that it emits', () => {
  const count = (code: number[]): number => {
    const bytes = fmaModule(true);
    return bytes.reduce((sum, _, i) => sum + (code.every((byte, j) => bytes[i + j] === byte) ? 1 : 0), 0);
  };
  expect(count([0xfd, 0x85, 0x02]) * 4 * 2).toBe(flopsPerTurn);
});

it('runs in threads, and notices a result that is not there yet', async () => {
  const loop = await fmaLoop(2);
  await loop.run(100_000);
  await expect(loop.run(3)).rejects.toThrow('gave 0.875, expected 1');
  await loop.close();
});

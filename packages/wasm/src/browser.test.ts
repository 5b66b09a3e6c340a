import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasBrowser, TestBrowser, worstOfProduct } from '../../webgpu-node/src/test/browser.js';

interface Report { readonly isolated: boolean; readonly description: string; readonly worst: number; readonly loss: readonly number[] }

const program = `
import { wasm } from '@ashlar/wasm';
import { tensor, jit, Variable, read, assign, gradients } from '@ashlar/tensor';
const device = await wasm();
${worstOfProduct(150)}
const w = new Variable([n], 'f32', new Float32Array(n));
const step = jit((t) => {
  const loss = read(w).sub(t).square().mean();
  assign(w, read(w).sub(gradients(loss, [read(w)])[0].mul(30)));
  return { loss };
}, { device });
const loss = [];
for (let i = 0; i < 5; i++) loss.push(await step(tensor(new Float32Array(n).fill(1))).loss.item());
await device.close();
await report({ isolated: crossOriginIsolated, description: device.description, worst, loss });`;

describe.skipIf(!hasBrowser)('in a browser', () => {
  let browser: TestBrowser;
  beforeAll(async () => { browser = await TestBrowser.open(); }, 120_000);
  afterAll(() => browser.close());

  test.each([
    { page: 'an isolated page, with threads', isolated: true, description: /fused multiply-add, \d+ threads?$/ },
    { page: 'a page without shared memory, on one thread', isolated: false, description: /, 1 thread$/ },
  ])('on $page', async ({ isolated, description }) => {
    const report = await browser.visit<Report>(program, { flags: ['--no-zygote', '--disable-gpu'], isolated });
    expect(report.isolated).toBe(isolated);
    expect(report.description).toMatch(description);
    expect(report.worst).toBeLessThan(1e-5);
    expect(report.loss[4]!).toBeLessThan(0.2 * report.loss[0]!);
  }, 120_000);
});

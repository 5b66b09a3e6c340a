import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasBrowser, TestBrowser, worstOfProduct } from './test/browser.js';

interface Report { readonly description: string; readonly worst: number; readonly losses: readonly number[]; readonly submits: number; readonly lost: string }

const page = `
import { webgpu, DeviceLostError } from '@ashlar/webgpu';
import { assign, attention, gradients, jit, read, tensor, Variable } from '@ashlar/tensor';
const device = await webgpu();
${worstOfProduct(70)}
const w = new Variable([1, 2, 16, 8], 'f32', Float32Array.from({ length: 256 }, (_, i) => Math.cos(i)));
const step = jit((goal) => {
  const now = read(w), loss = attention(now, now, now, { causal: true }).sub(goal).square().mean();
  assign(w, now.sub(gradients(loss, [now])[0].mul(20)));
  return loss;
}, { device });
const losses = [], goal = tensor(new Float32Array(256).fill(0.5), { shape: [1, 2, 16, 8] });
for (let i = 0; i < 5; i++) losses.push(await step(goal).item());
const { submits, runs } = device.counters;
for (let i = 0; i < 10; i++) { step(goal); await step.ready(); }
const per = (device.counters.submits - submits) / (device.counters.runs - runs);
await device.close();
let lost = '';
try { device.allocate('f32', 1); } catch (error) { lost = error instanceof DeviceLostError ? error.reason : String(error); }
await report({ description: device.description, worst, losses, submits: per, lost });`;

describe.skipIf(!hasBrowser)('in a browser', () => {
  let browser: TestBrowser;
  beforeAll(async () => { browser = await TestBrowser.open(); }, 120_000);
  afterAll(() => browser.close());

  test('the same package computes, trains and closes on navigator.gpu', async () => {
    const { description, worst, losses, submits, lost } = await browser.visit<Report>(page, { flags: ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-unsafe-swiftshader'] });
    expect(description).toMatch(/^WebGPU on .*software adapter/i);
    expect(worst).toBeLessThan(1e-5);
    expect(losses[4]!).toBeLessThan(0.5 * losses[0]!);
    expect(submits).toBe(1);
    expect(lost).toBe('destroyed');
  }, 120_000);
});

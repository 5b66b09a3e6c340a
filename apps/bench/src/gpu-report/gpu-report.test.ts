import { webgpu } from '@ashlar/webgpu-node';
import { tensor } from '@ashlar/tensor';
import { expect, test } from 'vitest';
import { describeMachine } from '../harness/machine.js';
import { kernelCases, type KernelCase } from './cases.js';
import { gpuNamed, gpus } from './gpus.js';
import { measureKernel, measureProduct } from './measure.js';
import { failures, reportMarkdown, type GpuReport } from './report.js';
import { lowerBoundMs } from './roofline.js';

test('a plan takes at least what each kernel needs of arithmetic or of memory', () => {
  const rates = { flops: 1e12, bandwidth: 1e11 };
  expect(lowerBoundMs([{ flops: 2e9, bytes: 1e6 }, { flops: 1e6, bytes: 3e8 }], rates)).toBeCloseTo(2 + 3, 9); // one bound by each
  expect(lowerBoundMs([], rates)).toBe(0);
});

test('a GPU is found by its name, and another name tells what there is', () => {
  expect(gpuNamed('rtx 4090')).toBe(gpus['RTX 4090']);
  expect(() => gpuNamed('RTX 9')).toThrow(/--gpu must be one of GTX 1080 Ti, .*, got RTX 9/);
  // A byte of traffic affords 10 to 90 operations on all of these: a slipped unit would not.
  for (const [name, { flops, bandwidth }] of Object.entries(gpus)) expect(flops / bandwidth, name).toSatisfy((ratio: number) => ratio > 10 && ratio < 110);
});

test('who is wrong gets no time, who is right gets one, and the report tells both', async () => {
  const device = await webgpu({ adapter: 'swiftshader' }), rates = { flops: 1e12, bandwidth: 1e11 };
  let asked = 0;
  // Another function on the device, which is asked first, than in the interpreter.
  const wavering: KernelCase = { name: 'wavering', tolerance: 1e-5, inputs: () => [tensor([1, 2, 3])], run: (x) => [asked++ === 0 ? x!.mul(1.001) : x!] };
  const failing: KernelCase = { ...wavering, name: 'failing', run: () => { throw new Error('no such kernel'); } };
  const sums = kernelCases(false).find(({ name }) => name === 'sums of many rows')!;
  const kernels = [];
  for (const one of [wavering, failing, sums]) kernels.push(await measureKernel(device, one, 'quick', rates, 1));
  expect(kernels[0]).toMatchObject({ name: 'wavering', problem: expect.stringMatching(/off by 7\.5e-4, allowed is 1e-5/) });
  expect(kernels[0]!.milliseconds).toBeUndefined();
  expect(kernels[1]).toEqual({ name: 'failing', problem: 'no such kernel' });
  expect(kernels[2]!.milliseconds).toBeGreaterThan(0);
  // 512 rows of 256 are read and their sums written: no less crosses the bus.
  expect(kernels[2]!.boundMs).toBeCloseTo(1000 * 4 * (512 * 256 + 512) / rates.bandwidth, 9);
  const shape = { name: 'small', m: 16, k: 8, n: 32, transposeA: false, transposeB: true };
  const products = await measureProduct(device, shape, rates);
  expect(products.length).toBeGreaterThan(1);
  expect(products.filter(({ chosen }) => chosen).length).toBe(1);
  expect(await measureProduct(device, shape, rates)).toEqual([]);
  const report: GpuReport = {
    date: '2026-01-01T00:00:00.000Z', size: 'quick', machine: describeMachine(), rates: { ...rates, source: 'given' }, products, kernels, steps: [],
    adapter: { ...device.adapter, device: '', driver: '', origin: 'swiftshader', reason: '', features: [], limits: {} },
  };
  expect(failures(report).map(({ name }) => name)).toEqual(['wavering', 'failing']);
  expect(reportMarkdown(report)).toMatch(/2 of these have no time\.[\s\S]*\| failing \| {2}\| no such kernel \|/);
  await device.close();
});

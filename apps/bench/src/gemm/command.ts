/** `bench gemm`: our matrix products beside the bare multiply-add loop on the same processors or adapter. */
import { availableParallelism } from 'node:os';
import { adapterNamed, type DeviceOptions } from '../own/device-options.js';
import { openDevice } from '../own/open-device.js';
import { describeMachine } from '../harness/machine.js';
import { fmaRate } from './fma-loop.js';
import { shaderFmaRate } from './fma-shader.js';
import { timeGemm, type GemmResult } from './product.js';
import { gemmShapes } from './shapes.js';

export interface GemmOptions extends DeviceOptions {
  readonly size: number;
  readonly ms: number;
  readonly json?: boolean;
}

async function bareRate({ device, adapter, threads, ms }: GemmOptions): Promise<{ gflops: number; loop: string }> {
  if (device === 'wasm') {
    const count = threads ?? availableParallelism();
    const { gflops, fused } = await fmaRate(count, ms);
    return { gflops, loop: `${fused ? 'relaxed SIMD multiply-add' : 'SIMD multiplication and addition'}, ${count} thread${count === 1 ? '' : 's'}` };
  }
  const { findAdapter } = await import('@ashlar/webgpu-node');
  const found = await findAdapter(adapterNamed(adapter));
  return { gflops: await shaderFmaRate(found.adapter, ms), loop: `vec4 fma on ${found.description.name}` };
}

/** Measures and prints. A product that is wrong ends the run with an error. */
export async function runGemm(options: GemmOptions): Promise<void> {
  await using device = await openDevice(options);
  const bare = await bareRate(options);
  const results: GemmResult[] = [];
  for (const shape of gemmShapes(options.size)) results.push(await timeGemm(device, shape, options.ms));
  const after = await bareRate(options);
  const peak = Math.max(bare.gflops, after.gflops);
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ device: device.description, bare: { loop: bare.loop, gflops: [bare.gflops, after.gflops] }, results, machine: describeMachine() }, null, 2)}\n`);
    return;
  }
  process.stdout.write([
    `# Matrix products (${device.description})`, '',
    `The bare loop (${bare.loop}): ${bare.gflops.toFixed(1)} GFLOP/s before, ${after.gflops.toFixed(1)} after.`, '',
    '| product | m × k · k × n | stored | µs | GFLOP/s | of the bare loop |', '|---|---|---|---|---|---|',
    ...results.map(({ name, m, k, n, transposeA, transposeB, gflops, microseconds }) =>
      `| ${name} | ${m}×${k} · ${k}×${n} | ${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'} | ${microseconds.toFixed(0)} | ${gflops.toFixed(1)} | ${(100 * gflops / peak).toFixed(0)} % |`),
    '',
  ].join('\n'));
}

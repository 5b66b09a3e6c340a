import { hasRelaxedSimd, hasSimd, canShareMemory } from '@ashlar/wasm';
import { cacheFolder, listAdapters, type ListedAdapter } from '@ashlar/webgpu-node';
import { formatBytes } from '@ashlar/tensor';
import { availableParallelism } from 'node:os';
import { exitCodes } from '../failure.js';
import { thisMachine, type Machine } from '../report/machine.js';
import type { Streams } from '../streams.js';

/** What `ashlar doctor --json` prints. */
export interface Diagnosis {
  readonly machine: Machine;
  readonly wasm: { readonly simd: boolean; readonly relaxedSimd: boolean; readonly sharedMemory: boolean; readonly threads: number };
  readonly webgpu: { readonly adapters: readonly ListedAdapter[] };
  readonly cacheFolder: string;
  /** What `--device auto` takes. */
  readonly auto: 'webgpu' | 'wasm';
  /** What lacks, and what to do. */
  readonly advice: readonly string[];
}

/** `ashlar doctor`: what this machine can run on, which device would be taken, and what to do where something lacks. */
export async function doctorCommand({ json }: { readonly json: boolean }, { stdout }: Streams): Promise<number> {
  const diagnosis = await diagnose();
  stdout.write(json ? `${JSON.stringify(diagnosis, undefined, 2)}\n` : describe(diagnosis));
  return exitCodes.success;
}

async function diagnose(): Promise<Diagnosis> {
  const shared = canShareMemory(), simd = hasSimd();
  const wasm = { simd, relaxedSimd: simd && hasRelaxedSimd(), sharedMemory: shared, threads: shared ? Math.min(availableParallelism(), 8) : 1 };
  const { adapters, problems } = await listAdapters();
  const hasGpu = adapters.some(({ adapterClass }) => adapterClass === 'gpu');
  return { machine: thisMachine(), wasm, webgpu: { adapters }, cacheFolder: cacheFolder(), auto: hasGpu ? 'webgpu' : 'wasm', advice: [...adviceFor(wasm, hasGpu), ...problems] };
}

function adviceFor(wasm: Diagnosis['wasm'], hasGpu: boolean): string[] {
  const advice: string[] = [];
  if (!wasm.simd) advice.push('WebAssembly has no SIMD here: use Node 20.19 or newer');
  else if (!wasm.relaxedSimd) advice.push('WebAssembly has no fused multiply-add here, which costs about half of the speed of matrix products: use Node 22 or newer');
  if (!wasm.sharedMemory) advice.push('WebAssembly has no shared memory here and runs on one thread: start Node without --no-experimental-wasm-threads');
  if (!hasGpu) advice.push('no real GPU was found. Where the machine has one, install its driver with Vulkan support (Linux: mesa-vulkan-drivers for AMD and Intel, the nvidia driver for NVIDIA); without one, the wasm device is the fast way');
  return advice;
}

function describe({ machine, wasm, webgpu, auto, advice, cacheFolder: cache }: Diagnosis): string {
  const yes = (value: boolean): string => (value ? 'yes' : 'no');
  const lines = [
    'machine',
    `  processor       ${machine.processor}`,
    `  processors      ${machine.processors} usable`,
    `  memory          ${machine.memory}`,
    `  system          ${machine.system}`,
    `  Node            ${machine.node}`,
    `  cache           ${cache}`,
    '',
    'wasm',
    `  SIMD            ${yes(wasm.simd)}`,
    `  relaxed SIMD    ${yes(wasm.relaxedSimd)}`,
    `  shared memory   ${yes(wasm.sharedMemory)}`,
    `  threads         ${wasm.threads}`,
    '',
    `webgpu: ${webgpu.adapters.length === 0 ? 'no adapter' : webgpu.adapters.length === 1 ? 'one adapter' : `${webgpu.adapters.length} adapters`}`,
    ...webgpu.adapters.flatMap(describeAdapter),
    '',
    `--device auto takes ${auto}${auto === 'wasm' ? ': there is no real GPU' : ''}`,
    ...(advice.length === 0 ? [] : ['', 'advice', ...advice.map((line) => `  - ${line}`)]),
    '',
  ];
  return lines.join('\n');
}

function describeAdapter({ name, adapterClass, origin, features, limits, chosen, reason }: ListedAdapter): string[] {
  const shownLimits = Object.entries(limits).map(([limit, value]) => `${limit} ${/Size$/.test(limit) && value >= 1024 ? formatBytes(value) : value}`);
  return [
    `  ${name}`,
    `    kind          ${adapterClass === 'gpu' ? 'GPU' : 'software, on the processor'}, from ${origin === 'system' ? 'the system' : 'an npm package'}`,
    `    --device webgpu takes ${chosen ? 'this one' : 'another'}: ${reason}`,
    ...wrapped('features', features, 100), ...wrapped('limits', shownLimits, 100),
  ];
}

/** A list in lines of at most `width` columns. */
function wrapped(title: string, words: readonly string[], width: number): string[] {
  const lines: string[] = [];
  let line = `    ${title.padEnd(14)}`;
  for (const [i, word] of words.entries()) {
    const piece = i < words.length - 1 ? `${word}, ` : word;
    if (line.length + piece.length > width && line.trim() !== '' && line.trim() !== title) {
      lines.push(line.trimEnd());
      line = ' '.repeat(18);
    }
    line += piece;
  }
  return [...lines, line.trimEnd()];
}

/** `bench memory`: repeats R0's step and watches what it holds. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { DeviceOptions } from '../own/device-options.js';
import { openDevice } from '../own/open-device.js';
import { compiledStep, stepModel, trainBatch } from '../own/step-model.js';
import { distinctBatches } from '../contestant.js';
import { stepBatch } from '../steps/batches.js';
import { r0 } from '../steps/definition.js';
import { judgeMemory, type MemorySample } from './verdict.js';

export interface MemoryOptions extends DeviceOptions {
  readonly steps: number;
  readonly json?: boolean;
}

/** Runs the steps, prints the samples and the verdict. The exit code is 1 when memory is not flat. */
export async function runMemory(options: MemoryOptions): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await using device = await openDevice(options);
  const model = stepModel(r0), train = compiledStep(r0, model, device), last = model.parameters().at(-1)!;
  const batches = Array.from({ length: distinctBatches }, (_, step) => trainBatch(r0, stepBatch(r0, step)));
  const interval = Math.max(1, Math.floor(options.steps / 10));
  const samples: MemorySample[] = [];

  const sample = async (step: number): Promise<void> => {
    await last.read();
    // Finalizers run between collections, in turns of the event loop.
    for (let i = 0; i < 3; i++) {
      collect();
      await new Promise((resolve) => { setTimeout(resolve, 5); });
    }
    const { heapUsed, rss } = process.memoryUsage();
    const { bytes, pipelines, bindGroups, allocations } = device.counters;
    samples.push({ step, heapBytes: heapUsed, rssBytes: rss, deviceBytes: bytes, pipelines, bindGroups, allocations });
  };

  for (let step = 1; step <= options.steps; step++) {
    const { loss } = train(batches[step % distinctBatches]!);
    await train.ready();
    if (step % 10 === 0) await loss.item();
    if (step === 2 || step % interval === 0) await sample(step);
  }

  const verdict = judgeMemory(samples);
  if (options.json) process.stdout.write(`${JSON.stringify({ device: device.description, steps: options.steps, ...verdict, samples }, null, 2)}\n`);
  else process.stdout.write(render(device.description, samples, verdict.reasons));
  if (!verdict.flat) process.exitCode = 1;
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(2);

function render(device: string, samples: readonly MemorySample[], reasons: readonly string[]): string {
  return [
    `# Memory over R0's steps (${device})`, '',
    '| after step | heap MB | RSS MB | device bytes | pipelines | bind groups | allocations |',
    '|---|---|---|---|---|---|---|',
    ...samples.map(({ step, heapBytes, rssBytes, deviceBytes, pipelines, bindGroups, allocations }) =>
      `| ${step} | ${megabytes(heapBytes)} | ${megabytes(rssBytes)} | ${deviceBytes} | ${pipelines} | ${bindGroups} | ${allocations} |`),
    '', reasons.length === 0 ? 'flat' : `not flat:\n${reasons.map((reason) => `- ${reason}`).join('\n')}`, '',
  ].join('\n');
}

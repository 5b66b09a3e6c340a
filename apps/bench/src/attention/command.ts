/** `bench attention`: masks and score functions beside causal attention. */
import type { DeviceOptions } from '../own/device-options.js';
import { openDevice } from '../own/open-device.js';
import { describeMachine } from '../harness/machine.js';
import { attentionCases } from './cases.js';
import { measureAttention, type AttentionTime } from './measure.js';

export interface AttentionBenchOptions extends DeviceOptions {
  readonly lengths: readonly number[];
  readonly window: number;
  readonly rounds: number;
  readonly json?: boolean;
}

/** A row of the table; the speed is beside causal attention over as many scores that count. */
function row({ name, visible, forwardMs, trainingMs, causal, bytes }: AttentionTime): string {
  const percent = (part: number): string => `${(100 * part).toFixed(0)} %`;
  return `| ${name} | ${(100 * visible).toFixed(1)} % | ${forwardMs.toFixed(1)} | ${trainingMs.toFixed(1)} | ${causal.length} | ${percent(causal.forwardMs / forwardMs)} | ${percent(causal.trainingMs / trainingMs)} | ${(bytes / 2 ** 20).toFixed(1)} |`;
}

/** Measures and prints. A case whose values are wrong ends the run with an error. */
export async function runAttention(options: AttentionBenchOptions): Promise<void> {
  await using device = await openDevice(options);
  const results: AttentionTime[][] = [];
  for (const length of options.lengths) results.push(await measureAttention(device, attentionCases(options.window), length, options.rounds));
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ device: device.description, results: results.flat(), machine: describeMachine() }, null, 2)}\n`);
    return;
  }
  process.stdout.write([
    `# Attention (${device.description})`, '', 'One sequence, 4 heads of width 32, f32; medians. Checked against the f64 interpreter before they are timed.',
    ...results.flatMap((times) => [
      '', `${times[0]!.length} tokens`, '', '| scores | that count | forward ms | with gradients ms | causal over as many: tokens | speed beside it, forward | with gradients | working memory MiB |', '|---|---|---|---|---|---|---|---|',
      ...times.map(row),
    ]), '',
  ].join('\n'));
}

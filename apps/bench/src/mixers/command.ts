/** `bench mixers`: how time and state of mixing layers grow with the length. */
import type { DeviceOptions } from '../own/device-options.js';
import { openDevice } from '../own/open-device.js';
import { describeMachine } from '../harness/machine.js';
import { mixerCases, width } from './cases.js';
import { measureMixer, type MixerTime } from './measure.js';

export interface MixerOptions extends DeviceOptions {
  readonly lengths: readonly number[];
  readonly rounds: number;
  readonly json?: boolean;
}

/** Measures and prints. A layer whose values are wrong ends the run with an error. */
export async function runMixers(options: MixerOptions): Promise<void> {
  await using device = await openDevice(options);
  const results: MixerTime[] = [];
  for (const [name, variant] of Object.entries(mixerCases)) for (const length of options.lengths) results.push(await measureMixer(device, name, variant, length, options.rounds));
  if (options.json) process.stdout.write(`${JSON.stringify({ device: device.description, results, machine: describeMachine() }, null, 2)}\n`);
  else process.stdout.write(renderMixers(device.description, results));
}

export function renderMixers(device: string, results: readonly MixerTime[]): string {
  return [
    `# Mixing layers (${device})`, '', `One sequence, width ${width}, f32; medians. Checked against the f64 interpreter before they are timed. Training: output and all gradients; decoding: one more token.`, '',
    '| layer | tokens | training ms | µs a token | bytes a token | decoding ms | state bytes |', '|---|---|---|---|---|---|---|',
    ...results.map(({ name, length, trainingMs, trainingBytes, decodingMs, stateBytes }) => `| ${name} | ${length} | ${trainingMs.toFixed(1)} | ${(1000 * trainingMs / length).toFixed(1)} | ${(trainingBytes / length).toFixed(0)} | ${decodingMs.toFixed(2)} | ${stateBytes} |`), '',
  ].join('\n');
}

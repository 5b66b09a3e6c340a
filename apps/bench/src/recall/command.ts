/** `bench recall`: what mixers reach in multi-query associative recall, beside what they remember and how far they see. */
import type { DeviceOptions } from '../own/device-options.js';
import { openDevice } from '../own/open-device.js';
import { recallMixerNames, type RecallMixerName } from './mixers.js';
import { enough, trainRecall, type RecallResult, type RecallSetting } from './train.js';

export interface RecallOptions extends DeviceOptions {
  readonly mixers: string;
  readonly vocabulary: number;
  readonly length: number;
  readonly pairs: number;
  readonly width: number;
  readonly depth: number;
  readonly trainExamples: number;
  readonly testExamples: number;
  readonly epochs: number;
  readonly batch: number;
  readonly rate: number;
  readonly seed: number;
  readonly json?: boolean;
}

/** Trains one after the other and prints a table. The exit code is 1 where full attention does not solve the task. */
export async function runRecall(options: RecallOptions): Promise<void> {
  const names = mixersNamed(options.mixers);
  const setting: RecallSetting = {
    task: { vocabulary: options.vocabulary, length: options.length, pairs: options.pairs }, width: options.width, depth: options.depth, trainExamples: options.trainExamples, testExamples: options.testExamples,
    epochs: options.epochs, batch: options.batch, learningRate: options.rate, seed: options.seed,
  };
  await using device = await openDevice(options);
  const results: RecallResult[] = [];
  for (const name of names) {
    results.push(await trainRecall(name, setting, device, (epoch, accuracy, loss) => {
      if (!options.json) process.stderr.write(`${name}: epoch ${epoch} of ${setting.epochs}, ${percent(accuracy)} right, loss ${loss.toFixed(4)}\n`);
    }));
  }
  if (options.json) process.stdout.write(`${JSON.stringify({ device: device.description, setting, results }, null, 2)}\n`);
  else process.stdout.write(renderRecall(device.description, setting, results));
  if (results.some(({ mixer, accuracy }) => mixer === 'multiHead' && accuracy < enough)) process.exitCode = 1;
}

/** @throws {Error} on a name that is none. */
export function mixersNamed(list: string): RecallMixerName[] {
  if (list === 'all') return [...recallMixerNames];
  return list.split(',').map((name) => {
    const found = recallMixerNames.find((known) => known === name);
    if (!found) throw new Error(`--mixers must be all, or names with commas between: ${recallMixerNames.join(', ')}; got ${name}`);
    return found;
  });
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

export function renderRecall(device: string, { task, width, depth, trainExamples, epochs }: RecallSetting, results: readonly RecallResult[]): string {
  return [
    `# Multi-query associative recall (${device})`, '',
    `${task.pairs} pairs in ${task.length} tokens of ${task.vocabulary}; width ${width}, ${depth} layers; ${trainExamples} examples, up to ${epochs} epochs, ended at ${percent(enough)}. State: what decoding remembers of one example, and of a text twice as long.`, '',
    '| mixer | right answers | epochs | parameters | state bytes | at twice the length | receptive field | seconds |',
    '|---|---|---|---|---|---|---|---|',
    ...results.map((result) => `| ${result.mixer} | ${percent(result.accuracy)} | ${result.accuracies.length} | ${result.parameters} | ${result.stateBytes} | ${result.stateBytesAtTwice} | ${result.receptiveField} | ${result.seconds.toFixed(0)} |`), '',
  ].join('\n');
}

import { decoded, generate } from '@ashlar/generate';
import { Decoder } from '@ashlar/models';
import { writeSafetensors } from '@ashlar/hub/node';
import type { Device } from '@ashlar/tensor';
import { readMetrics } from '@ashlar/train/node';
import type { StoredTensor, TrainStep } from '@ashlar/train';
import { configHash } from '../config/resolve.js';
import { formatCount, plural } from '../progress/format.js';
import { thisMachine } from '../report/machine.js';
import { summarizePlan } from '../report/plan-summary.js';
import { reportPage } from '../report/report.js';
import { writeText, type RunFolder } from '../run-folder.js';
import type { Materials } from '../tasks/materials.js';
import { tokenizerName } from '../tasks/tokenizers.js';

export interface FinishOptions {
  readonly materials: Materials;
  readonly device: Device;
  readonly step: TrainStep;
  readonly run: RunFolder;
  /** Takes the sample as it is written. */
  write(text: string): void;
}

/** Writes the model, what it is worth, a sample of its writing where it writes texts, and the report. */
export async function finishRun({ materials, device, step, run, write }: FinishOptions): Promise<void> {
  const { config, model, source, amounts } = materials;
  const tensors = new Map<string, StoredTensor>();
  for (const [name, parameter] of model.namedParameters()) tensors.set(name, { dtype: parameter.dtype, shape: parameter.shape, data: await parameter.read() });
  writeSafetensors(run.model, tensors, { format: 'pt', step: String(step.count), configHash: configHash(config) });

  const rows = readMetrics(run.metrics), measures = await materials.measure(device, rows.at(-1)!.valLoss!);
  const sample = await sampleOf(materials, device, write);
  if (!sample) for (const [name, value] of measures.lines) write(`${name.padEnd(16)}  ${value}\n`);
  writeText(run.report, reportPage({
    name: config.name, date: new Date(), rows, measures, ...(sample ? { sample } : {}),
    baselines: materials.baselines(),
    data: [['data', source], ['tokenizer', tokenizerName(config.data.tokenizer)], ...amounts.map(([name, count]) => [name, formatCount(count)] as const)],
    training: config.training,
    parameters: [...model.namedParameters()].map(([name, { shape, size }]) => ({ name, shape, size })),
    ...(step.plan === undefined ? {} : { plan: summarizePlan(step.plan, step.compilations.length) }),
    device, machine: thisMachine(), config,
  }));
}

/** What a language model writes, and how it was drawn. */
async function sampleOf({ config, model, tokenizer }: Materials, device: Device, write: (text: string) => void): Promise<{ prompt: string; text: string; how: string } | undefined> {
  if (!(model instanceof Decoder) || !config.sample) return undefined;
  const { prompt, tokens, temperature, topK, topP, seed = config.training.seed } = config.sample;
  let text = '';
  write(prompt);
  const start = tokenizer.encode(prompt);
  const drawn = generate({ model, device, context: model.maxLength ?? config.training.context, prompt: start, maxTokens: tokens, temperature, topK, topP, seed, overflow: 'slide', endTokens: tokenizer.end ?? [] });
  for await (const piece of decoded(drawn, tokenizer, start)) {
    text += piece;
    write(piece);
  }
  write('\n');
  return { prompt, text, how: [plural(tokens, 'token'), `temperature ${temperature}`, ...(topK === undefined ? [] : [`top ${topK}`]), ...(topP === undefined ? [] : [`nucleus ${topP}`]), `seed ${seed}`].join(', ') };
}

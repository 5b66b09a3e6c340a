import { decoded, generate } from '@ashlar/generate';
import { writeSafetensors } from '@ashlar/hub/node';
import type { Device } from '@ashlar/tensor';
import { readMetrics } from '@ashlar/train/node';
import type { StoredTensor, TrainStep } from '@ashlar/train';
import { configHash } from '../config/resolve.js';
import { predictedCharacters } from '../characters.js';
import { plural } from '../progress/format.js';
import { countingBaselines } from '../report/baselines.js';
import { thisMachine } from '../report/machine.js';
import { summarizePlan } from '../report/plan-summary.js';
import { reportPage } from '../report/report.js';
import { writeText, type RunFolder } from '../run-folder.js';
import type { Materials } from './materials.js';

export interface FinishOptions {
  readonly materials: Materials;
  readonly device: Device;
  readonly step: TrainStep;
  readonly run: RunFolder;
  /** Takes the sample as it is written. */
  write(text: string): void;
}

/** Writes the model, a sample of its writing and the report. */
export async function finishRun({ materials, device, step, run, write }: FinishOptions): Promise<void> {
  const { config, model, tokenizer, corpus, train, validation, evaluation } = materials;
  const tensors = new Map<string, StoredTensor>();
  for (const [name, parameter] of model.namedParameters()) tensors.set(name, { dtype: parameter.dtype, shape: parameter.shape, data: await parameter.read() });
  writeSafetensors(run.model, tensors, { format: 'pt', step: String(step.count), configHash: configHash(config) });

  const { prompt, tokens, temperature, topK, topP, seed = config.training.seed } = config.sample;
  let text = '';
  write(prompt);
  const start = tokenizer.encode(prompt);
  const drawn = generate({ model, device, context: model.maxLength ?? config.training.context, prompt: start, maxTokens: tokens, temperature, topK, topP, seed, overflow: 'slide' });
  for await (const piece of decoded(drawn, tokenizer, start)) {
    text += piece;
    write(piece);
  }
  write('\n');

  const rows = readMetrics(run.metrics);
  writeText(run.report, reportPage({
    name: config.name, date: new Date(), rows,
    baselines: countingBaselines(train, validation, tokenizer.vocabularySize),
    sample: { prompt, text, how: [plural(tokens, 'token'), `temperature ${temperature}`, ...(topK === undefined ? [] : [`top ${topK}`]), ...(topP === undefined ? [] : [`nucleus ${topP}`]), `seed ${seed}`].join(', ') },
    data: { source: corpus.name, tokenizer: config.data.tokenizer, vocabulary: tokenizer.vocabularySize, trainTokens: train.length, validationTokens: validation.length },
    training: config.training, charactersAToken: predictedCharacters(validation, tokenizer) / evaluation.predictions,
    parameters: [...model.namedParameters()].map(([name, { shape, size }]) => ({ name, shape, size })),
    ...(step.plan === undefined ? {} : { plan: summarizePlan(step.plan) }),
    device, machine: thisMachine(), config,
  }));
}

import { checkTokenizer } from '@ashlar/hub';
import { writeSafetensors } from '@ashlar/hub/node';
import { findModel } from '../import/find-model.js';
import type { ImportedConfig } from '../config/run-config.js';
import { formatCount } from '../progress/format.js';
import { createRunFolder, runName, writeJson } from '../run-folder.js';
import type { Streams } from '../streams.js';

export interface ImportCommandOptions {
  readonly out?: string;
  readonly tokenizer?: string;
}

/** `ashlar import`: a model of another program becomes a run, which `generate`, `eval`, `serve` and `export` take, and from which a training can begin. */
export async function importCommand(paths: readonly string[], { out, tokenizer: tokenizerFile }: ImportCommandOptions, { stdout, stderr }: Streams): Promise<number> {
  const { form, name, family, pretrained: { config, model, labels }, tokenizer, targetTokenizer, notes } = findModel(paths, tokenizerFile);
  checkTokenizer(tokenizer, model);
  for (const note of notes) stderr.write(`${note}\n`);
  const tensors = new Map<string, { dtype: 'f32'; shape: readonly number[]; data: Float32Array }>();
  for (const [path, parameter] of model.namedParameters()) tensors.set(path, { dtype: 'f32', shape: parameter.shape, data: await parameter.read() as Float32Array });
  const run = createRunFolder(runName(name), out, new Date());
  writeSafetensors(run.model, tensors, { format: 'pt' });
  writeJson(run.tokenizer, tokenizer.toJSON());
  if (targetTokenizer) writeJson(run.targetTokenizer, targetTokenizer.toJSON());
  // Last, so that a folder with a config is a whole run.
  writeJson(run.config, { name: runName(name), family, model: config, labels } satisfies ImportedConfig);
  stdout.write(`${run.shownPath}: ${form}, ${formatCount(model.parameterCount)} parameters, ${formatCount(tokenizer.vocabularySize)} tokens\n`);
  return 0;
}

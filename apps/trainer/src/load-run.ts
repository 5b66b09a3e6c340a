import { existsSync } from 'node:fs';
import { readSafetensorsFile } from '@ashlar/hub/node';
import { Decoder, Encoder, EncoderDecoder } from '@ashlar/models';
import type { Tokenizer } from '@ashlar/text';
import type { StoredTensor } from '@ashlar/train';
import { resolveRunConfig, type RunConfig } from './config/run-config.js';
import { exitCodes, Failure } from './failure.js';
import { readJson, runFolder, type RunFolder } from './run-folder.js';
import { buildModel } from './tasks/building.js';
import { readTokenizer } from './tasks/tokenizers.js';

/** A trained model with what belongs to it. */
export interface LoadedRun {
  readonly run: RunFolder;
  readonly config: RunConfig;
  readonly model: Decoder | Encoder | EncoderDecoder;
  /** T: the longest text that it was made for. */
  readonly context: number;
  readonly tokenizer: Tokenizer;
  /** Of what an encoder-decoder writes. */
  readonly targetTokenizer: Tokenizer | undefined;
  /** Worth telling: that the weights are those of a checkpoint. */
  readonly notes: readonly string[];
}

/** Of a model that has no longest text, and was trained elsewhere. */
const defaultContext = 1024;

/**
 * Reads a run: `model.safetensors`, or where the run is not finished the newest whole checkpoint.
 *
 * @throws Failure with exit code 2 or 3, SafetensorsError, CheckpointError
 */
export function loadRun(path: string): LoadedRun {
  if (!existsSync(path)) throw new Failure(exitCodes.data, `--run ${path}: there is no such folder`);
  const run = runFolder(path);
  const config = resolveRunConfig(readJson(run.config), run.config), { training, ...untrained } = config, model = buildModel(untrained);
  return { run, config, model, context: model.maxLength ?? training?.context ?? defaultContext, tokenizer: readTokenizer(run.tokenizer), targetTokenizer: model instanceof EncoderDecoder ? readTokenizer(run.targetTokenizer) : undefined, notes: loadWeights(run, model) };
}

/** A run of a language model. @throws what `loadRun` throws, and a Failure with exit code 2 where it is another. */
export function loadLanguageModel(path: string): LoadedRun & { readonly model: Decoder } {
  const loaded = loadWriter(path), { model } = loaded;
  if (!(model instanceof Decoder)) throw new Failure(exitCodes.usage, `--run ${path}: its model writes from a source; a language model is needed here`);
  return { ...loaded, model };
}

/** A run of a model that writes. @throws what `loadRun` throws, and a Failure with exit code 2 where it does not. */
export function loadWriter(path: string): LoadedRun & { readonly model: Decoder | EncoderDecoder } {
  const loaded = loadRun(path), { model } = loaded;
  if (model instanceof Encoder) throw new Failure(exitCodes.usage, `--run ${path}: its model ${loaded.config.task === undefined ? 'gives states alone' : `is for ${loaded.config.task}`}, and writes no text`);
  return { ...loaded, model };
}

/** Writes the weights of a run into its model. What is worth telling of them. */
export function loadWeights(run: RunFolder, model: LoadedRun['model']): readonly string[] {
  const { tensors, notes, source } = weightsOf(run);
  for (const [name, parameter] of model.namedParameters()) {
    const found = tensors.get(name);
    if (found === undefined) throw new Failure(exitCodes.data, `${source}: lacks the tensor ${name}, which the model of ${run.config} has`);
    if (found.dtype !== parameter.dtype || found.shape.join() !== parameter.shape.join()) {
      throw new Failure(exitCodes.data, `${source}: the tensor ${name} must be ${parameter.dtype} [${parameter.shape.join(', ')}], got ${found.dtype} [${found.shape.join(', ')}]`);
    }
    parameter.write(found.data);
  }
  return notes;
}

function weightsOf(run: RunFolder): { tensors: ReadonlyMap<string, StoredTensor>; notes: string[]; source: string } {
  if (existsSync(run.model)) return { tensors: readSafetensorsFile(run.model).tensors, notes: [], source: run.model };
  const checkpoint = run.checkpoints.newest();
  if (checkpoint === undefined) throw new Failure(exitCodes.data, `${run.shownPath}: has neither model.safetensors nor a checkpoint yet`);
  const prefix = 'parameters.';
  const tensors = new Map([...checkpoint.tensors].filter(([name]) => name.startsWith(prefix)).map(([name, tensor]) => [name.slice(prefix.length), tensor]));
  return { tensors, notes: [...checkpoint.damaged.map(({ message }) => message), `the run is not finished: using its checkpoint of step ${checkpoint.facts.step}`], source: checkpoint.path };
}

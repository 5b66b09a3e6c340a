import { resolve } from 'node:path';
import type { Decoder } from '@ashlar/models';
import type { Corpus } from '@ashlar/text/node';
import { resolveConfig, type ResolvedConfig } from '../config/resolve.js';
import type { RunConfig } from '../config/run-config.js';
import { chooseDevice, deviceLine, parseDeviceName } from '../device-choice.js';
import { exitCodes, Failure } from '../failure.js';
import { holdsRecords } from '../data/records.js';
import { loadRun, loadWeights, type LoadedRun } from '../load-run.js';
import { formatCount } from '../progress/format.js';
import type { Streams } from '../streams.js';
import { openText, textMeasures } from '../tasks/language-model.js';
import { charactersAPrediction, divided, evaluationOf, tokensIn, wholeOf, type LearnedText } from '../tasks/learned-text.js';
import type { Materials } from '../tasks/materials.js';
import { prepareMaterials } from '../tasks/prepare.js';
import { measureLoss } from '../training/session.js';

export interface EvaluateCommandOptions {
  readonly run: string;
  readonly data?: string;
  readonly device: string;
  readonly json: boolean;
}

/** What `ashlar eval --json` prints; beside it the numbers of the task. */
export interface EvaluationResult {
  /** Nats a prediction. */
  readonly valLoss: number;
  readonly predictions: number;
  readonly part: 'held out' | 'whole text' | 'all examples';
  readonly source: string;
}

/** What is measured, and on what. */
interface Measured extends Pick<Materials, 'learner' | 'evaluation' | 'measure' | 'source'>, Disposable {
  readonly part: EvaluationResult['part'];
  readonly notes: readonly string[];
}

/** Rows that are measured at once where the run was not trained here. */
const defaultBatch = 4;
const noData = 'eval: the run names no text; use --data FILE (or --data npm:NAME)';

/** `ashlar eval`: the loss over all that was held out of the run's data and what the task measures; or over the whole of another text, or all of other examples. */
export async function evaluateCommand(options: EvaluateCommandOptions, { stdout, stderr }: Streams): Promise<number> {
  const deviceName = parseDeviceName(options.device), loaded = loadRun(options.run), { task } = loaded.config;
  if (task === undefined) throw new Failure(exitCodes.usage, `--run ${options.run}: its model says nothing of its states that could be measured; train a head for it (training.from)`);
  using measured = task === 'languageModel' ? await textToMeasure(loaded, options.data) : await examplesToMeasure(loaded, options.data);
  const { learner, evaluation, measure, part, source, notes } = measured, chosen = await chooseDevice(deviceName);
  await using device = chosen.device;
  for (const line of [deviceLine(chosen), ...notes]) stderr.write(`${line}\n`);

  const valLoss = await measureLoss({ learner, evaluation }, device), { numbers, lines } = await measure(device, valLoss);
  const result = { valLoss, ...numbers, predictions: evaluation.predictions, part, source } satisfies EvaluationResult;
  const shown = [[task === 'languageModel' ? 'text' : 'data', `${source}, ${part}, ${formatCount(evaluation.predictions)} predictions`], ['loss', `${valLoss.toFixed(4)} nats a ${task === 'classification' ? 'text' : 'token'}`], ...lines];
  stdout.write(options.json ? `${JSON.stringify(result)}\n` : shown.map(([name, text]) => `${name!.padEnd(16)}  ${text}\n`).join(''));
  return exitCodes.success;
}

/** What was held out of the data of a run, or all of others. */
async function examplesToMeasure(loaded: LoadedRun, source: string | undefined): Promise<Measured> {
  const { run, config: { name, model, labels, training, data }, context } = loaded;
  if (training && (source === undefined || [source, resolve(source)].includes(data!.source!))) {
    const { from: _, ...others } = training, materials = await prepareMaterials({ ...loaded.config as ResolvedConfig, training: others }, run);
    return { ...materials, part: 'held out', notes: loadWeights(run, materials.model) };
  }
  if (source === undefined) throw new Failure(exitCodes.usage, noData);
  const file = (path: string) => ({ type: 'file', path }) as const, tokenizers = { tokenizer: file(run.tokenizer), ...(loaded.targetTokenizer ? { targetTokenizer: file(run.targetTokenizer) } : {}) };
  const { data: ownData, training: { from: _, ...course }, published: __, ...config } = training ? loaded.config as ResolvedConfig
    : resolveConfig({ name, model, data: labels ? { labels } : {}, training: { steps: 1, batch: defaultBatch, context, learningRate: { peak: 1 } } }, { set: [] }, run.config);
  const { sha256: ___, fields, ...about } = ownData, hasRows = holdsRecords(source), materials = await prepareMaterials({ ...config, training: course, data: { ...about, ...tokenizers, ...(fields && hasRows ? { fields } : {}), source, validation: 1 } });
  return { ...materials, part: hasRows && config.task !== 'spanCorruption' ? 'all examples' : 'whole text', notes: loadWeights(run, materials.model) };
}

/** The run's own text, or another. */
async function textToMeasure({ config, model, context: longest, tokenizer, notes }: LoadedRun, given: string | undefined): Promise<Measured> {
  const source = given ?? config.data?.source;
  if (source === undefined) throw new Failure(exitCodes.usage, noData);
  const { fields, packing, sampleBy } = config.data ?? {}, corpus = await openText(source, { tokenizer, field: fields?.text, sampleBy, documents: packing ?? false });
  try {
    const { text, part } = partOf(corpus, config, given !== undefined), tokens = tokensIn(text);
    if (tokens < 2) throw new Failure(exitCodes.data, `${source}: at least 2 tokens are needed to predict one, got ${tokens}`);
    const evaluation = evaluationOf(text, config.training ?? { batch: defaultBatch, context: longest });
    return {
      learner: model as Decoder, evaluation, part, source, notes,
      measure: async (_, loss) => textMeasures(loss, charactersAPrediction(text, tokenizer, evaluation)),
      [Symbol.dispose]: () => corpus.close(),
    };
  } catch (error) {
    corpus.close();
    throw error;
  }
}

/** The held-out part where the text is the one that the run was trained on; the whole of any other. */
function partOf(corpus: Corpus, { data }: RunConfig, given: boolean): { text: LearnedText; part: EvaluationResult['part'] } {
  if (data && corpus.hash === data.sha256) return { text: divided(corpus.name, wholeOf(corpus), data.validation).validation, part: 'held out' };
  if (given) return { text: wholeOf(corpus), part: 'whole text' };
  throw new Failure(exitCodes.data, `${corpus.name}: is no longer the text that the run was trained on (its SHA-256 is ${corpus.hash}); give a text by --data`);
}

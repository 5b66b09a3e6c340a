import { evaluationBatches, split, type TokenSource } from '@ashlar/text';
import type { Corpus } from '@ashlar/text/node';
import type { ResolvedConfig } from '../config/resolve.js';
import type { RunConfig } from '../config/run-config.js';
import { chooseDevice, deviceLine, parseDeviceName } from '../device-choice.js';
import { predictedCharacters } from '../characters.js';
import { exitCodes, Failure } from '../failure.js';
import { loadLanguageModel, loadRun, loadWeights } from '../load-run.js';
import { formatCount } from '../progress/format.js';
import type { Streams } from '../streams.js';
import { openText, textMeasures } from '../tasks/language-model.js';
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
  readonly part: 'held out' | 'whole text';
  readonly source: string;
}

/** What is measured, and on what. */
interface Measured extends Pick<Materials, 'learner' | 'evaluation' | 'measure' | 'source'>, Disposable {
  readonly part: EvaluationResult['part'];
  readonly notes: readonly string[];
}

/** Rows that are measured at once where the run was not trained here. */
const defaultBatch = 4;

/** `ashlar eval`: the loss over all that was held out of the run's data and what the task measures; or over the whole of another text. */
export async function evaluateCommand(options: EvaluateCommandOptions, { stdout, stderr }: Streams): Promise<number> {
  const deviceName = parseDeviceName(options.device), { run, config } = loadRun(options.run), task = config.task ?? 'languageModel';
  if (task !== 'languageModel' && options.data !== undefined) throw new Failure(exitCodes.usage, `--data: another text is for language models, and this run is for ${task}; leave it out to measure what was held out`);
  using measured = task === 'languageModel' ? textToMeasure(options) : await examplesToMeasure(config as ResolvedConfig, run);
  const { learner, evaluation, measure, part, source, notes } = measured, chosen = await chooseDevice(deviceName);
  await using device = chosen.device;
  for (const line of [deviceLine(chosen), ...notes]) stderr.write(`${line}\n`);

  const valLoss = await measureLoss({ learner, evaluation }, device), { numbers, lines } = await measure(device, valLoss);
  const result = { valLoss, ...numbers, predictions: evaluation.predictions, part, source } satisfies EvaluationResult;
  const shown = [[task === 'languageModel' ? 'text' : 'data', `${source}, ${part}, ${formatCount(evaluation.predictions)} predictions`], ['loss', `${valLoss.toFixed(4)} nats a ${task === 'classification' ? 'text' : 'token'}`], ...lines];
  stdout.write(options.json ? `${JSON.stringify(result)}\n` : shown.map(([name, text]) => `${name!.padEnd(16)}  ${text}\n`).join(''));
  return exitCodes.success;
}

/** What was held out of the data of a run. */
async function examplesToMeasure({ training: { from: _, ...training }, ...config }: ResolvedConfig, run: ReturnType<typeof loadRun>['run']): Promise<Measured> {
  const materials = await prepareMaterials({ ...config, training }, run);
  return { ...materials, part: 'held out', notes: loadWeights(run, materials.model) };
}

/** The run's own text, or another. */
function textToMeasure(options: EvaluateCommandOptions): Measured {
  const { config, model, context: longest, tokenizer, notes } = loadLanguageModel(options.run), source = options.data ?? config.data?.source;
  if (source === undefined) throw new Failure(exitCodes.usage, 'eval: the run names no text; use --data FILE (or --data npm:NAME)');
  const corpus = openText(source, tokenizer);
  try {
    const { tokens, part } = partOf(corpus, config, options.data !== undefined);
    if (tokens.length < 2) throw new Failure(exitCodes.data, `${source}: at least 2 tokens are needed to predict one, got ${tokens.length}`);
    const { batch, context } = config.training ?? { batch: defaultBatch, context: longest }, evaluation = evaluationBatches({ tokens, context, batch });
    return {
      learner: model, evaluation, part, source, notes,
      measure: async (_, loss) => textMeasures(loss, predictedCharacters(tokens, tokenizer) / evaluation.predictions),
      [Symbol.dispose]: () => corpus.close(),
    };
  } catch (error) {
    corpus.close();
    throw error;
  }
}

/** The held-out part where the text is the one that the run was trained on; the whole of any other. */
function partOf(corpus: Corpus, { data }: RunConfig, given: boolean): { tokens: TokenSource; part: EvaluationResult['part'] } {
  if (data && corpus.hash === data.sha256) return { tokens: split(corpus.tokens, { validation: data.validation }).validation, part: 'held out' };
  if (given) return { tokens: corpus.tokens, part: 'whole text' };
  throw new Failure(exitCodes.data, `${corpus.name}: is no longer the text that the run was trained on (its SHA-256 is ${corpus.hash}); give a text by --data`);
}

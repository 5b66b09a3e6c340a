import { evaluationBatches, split, type TokenSource, type Tokenizer } from '@ashlar/text';
import type { Corpus } from '@ashlar/text/node';
import type { RunConfig } from '../config/run-config.js';
import { chooseDevice, deviceLine, parseDeviceName } from '../device-choice.js';
import { predictedCharacters } from '../characters.js';
import { exitCodes, Failure } from '../failure.js';
import { loadRun } from '../load-run.js';
import { formatCount } from '../progress/format.js';
import type { Streams } from '../streams.js';
import { openText } from '../training/materials.js';
import { measureLoss } from '../training/session.js';

export interface EvaluateCommandOptions {
  readonly run: string;
  readonly data?: string;
  readonly device: string;
  readonly json: boolean;
}

/** What `ashlar eval --json` prints. */
export interface EvaluationResult {
  /** Nats a token. */
  readonly valLoss: number;
  readonly bitsPerCharacter: number;
  readonly perplexity: number;
  readonly predictions: number;
  readonly part: 'held out' | 'whole text';
  readonly source: string;
}

/** Rows that are measured at once where the run was not trained here. */
const defaultBatch = 4;

/** `ashlar eval`: the loss over the whole held-out part of the run's text, or over the whole of another text. */
export async function evaluateCommand(options: EvaluateCommandOptions, { stdout, stderr }: Streams): Promise<number> {
  const deviceName = parseDeviceName(options.device);
  const { config, model, context: longest, tokenizer, notes } = loadRun(options.run);
  const source = options.data ?? config.data?.source;
  if (source === undefined) throw new Failure(exitCodes.usage, 'eval: the run names no text; use --data FILE (or --data npm:NAME)');
  using corpus = openText(source, tokenizer);
  const { tokens, part } = partOf(corpus, config, options.data !== undefined);
  if (tokens.length < 2) throw new Failure(exitCodes.data, `${source}: at least 2 tokens are needed to predict one, got ${tokens.length}`);
  const { batch, context } = config.training ?? { batch: defaultBatch, context: longest };
  const evaluation = evaluationBatches({ tokens, context, batch });
  const chosen = await chooseDevice(deviceName);
  await using device = chosen.device;
  for (const line of [deviceLine(chosen), ...notes]) stderr.write(`${line}\n`);

  const valLoss = await measureLoss({ model, evaluation }, device);
  const result = summary(valLoss, tokens, tokenizer, evaluation.predictions, part, source);
  stdout.write(options.json ? `${JSON.stringify(result)}\n` : describe(result));
  return exitCodes.success;
}

/** The held-out part where the text is the one that the run was trained on; the whole of any other. */
function partOf(corpus: Corpus, { data }: RunConfig, given: boolean): { tokens: TokenSource; part: EvaluationResult['part'] } {
  if (data && corpus.hash === data.sha256) return { tokens: split(corpus.tokens, { validation: data.validation }).validation, part: 'held out' };
  if (given) return { tokens: corpus.tokens, part: 'whole text' };
  throw new Failure(exitCodes.data, `${corpus.name}: is no longer the text that the run was trained on (its SHA-256 is ${corpus.hash}); give a text by --data`);
}

function summary(valLoss: number, tokens: TokenSource, tokenizer: Tokenizer, predictions: number, part: EvaluationResult['part'], source: string): EvaluationResult {
  const characters = predictedCharacters(tokens, tokenizer);
  return { valLoss, bitsPerCharacter: (valLoss * predictions) / Math.LN2 / characters, perplexity: Math.exp(valLoss), predictions, part, source };
}

function describe({ valLoss, bitsPerCharacter, perplexity, predictions, part, source }: EvaluationResult): string {
  return [
    `text              ${source}, ${part}, ${formatCount(predictions)} predictions`,
    `loss              ${valLoss.toFixed(4)} nats a token`,
    `bits a character  ${bitsPerCharacter.toFixed(4)}`,
    `perplexity        ${perplexity.toFixed(3)} a token`,
    '',
  ].join('\n');
}

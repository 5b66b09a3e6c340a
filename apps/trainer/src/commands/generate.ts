import { readFileSync } from 'node:fs';
import { beamSearch, decoded, generate, jsonOf, matching, speculator, untilStop, writer, type Constraint, type JsonSchema, type SamplingOptions, type WritingOptions } from '@ashlar/generate';
import { EncoderDecoder, type Decoder } from '@ashlar/models';
import type { Device } from '@ashlar/tensor';
import { UnknownCharacterError, textTokens, wholeTokens, type Tokenizer } from '@ashlar/text';
import { chat } from '../chat.js';
import { chooseDevice, deviceLine, parseDeviceName } from '../device-choice.js';
import { exitCodes, Failure } from '../failure.js';
import { loadLanguageModel, loadWriter, type LoadedRun } from '../load-run.js';
import type { Streams } from '../streams.js';
import { targetTokens } from '../tasks/target-tokens.js';

export interface GenerateCommandOptions extends SamplingOptions {
  readonly run: string;
  readonly prompt: readonly string[];
  readonly chat: boolean;
  readonly system?: string;
  readonly tokens?: number;
  readonly seed?: number;
  readonly stop: readonly string[];
  readonly regex?: string;
  readonly jsonSchema?: string;
  readonly beams?: number;
  readonly lengthPenalty?: number;
  readonly draft?: string;
  readonly guesses?: number;
  readonly device: string;
}

type Name = keyof GenerateCommandOptions;

/** Options that decide which token is drawn where the likeliest is not. */
const drawing = ['topK', 'topP', 'minP', 'typical'] as const;
/** What does not go with an option, and what one goes with alone. */
const excluded: Partial<Readonly<Record<Name, readonly Name[]>>> = {
  chat: ['prompt', 'beams', 'draft'], regex: ['jsonSchema', 'beams', 'draft'], jsonSchema: ['beams', 'draft'],
  beams: ['draft', 'temperature', ...drawing, 'repetitionPenalty', 'seed'],
};
const needed: Partial<Readonly<Record<Name, Name>>> = { system: 'chat', lengthPenalty: 'beams', guesses: 'draft' };

/** How a text is written from a prompt. */
interface Writing {
  readonly model: Awaited<ReturnType<typeof loadWriter>>['model'];
  /** The most tokens of a text. */
  readonly context: number;
  readonly prompt: ArrayLike<number>;
  readonly source?: Uint32Array;
  /** Of what is written. */
  readonly tokenizer: Tokenizer;
  readonly endTokens: readonly number[] | undefined;
  isText(token: number): boolean;
}

/** `ashlar generate`: writes the prompt and what the model makes of it to stdout, token by token, or what it makes of a source; of several prompts a text each, written side by side; or talks. */
export async function generateCommand(options: GenerateCommandOptions, { stdout, stderr }: Streams): Promise<number> {
  const deviceName = parseDeviceName(options.device), { run, prompt: prompts, tokens, stop, system } = options;
  checkOptions(options);
  const loaded = loadWriter(run), writesFromSource = loaded.model instanceof EncoderDecoder;
  for (const name of ['chat', 'draft'] as const) if (writesFromSource && options[name]) throw new Failure(exitCodes.usage, `--${name}: goes with language models, and the model of --run ${run} writes from a source`);
  const writings = prompts.map((prompt) => writingOf(loaded, prompt)), [writing] = writings, draft = options.draft === undefined ? undefined : draftOf(options.draft, loaded);
  const tokenizer = writing?.tokenizer ?? loaded.tokenizer, constraint = constraintOf(options, tokenizer, writing?.endTokens ?? tokenizer.end), isFixed = writesFromSource || options.beams !== undefined || draft;
  const room = isFixed ? Math.min(...writings.map(({ context, prompt }) => Math.min(context, draft?.context ?? Infinity) - prompt.length + 1)) : Infinity;
  if (room < (tokens ?? 1)) throw new Failure(exitCodes.usage, tokens === undefined ? '--prompt: it leaves no room to write in' : `--tokens must be at most ${room}, which is what the model still takes, got ${tokens}`);
  const chosen = await chooseDevice(deviceName);
  await using device = chosen.device;
  for (const line of [deviceLine(chosen), ...loaded.notes, ...draft?.notes ?? []]) stderr.write(`${line}\n`);

  const { temperature = writesFromSource ? 0 : 0.8, seed = 1, topK, topP, minP, typical, repetitionPenalty } = options;
  const drawn = { temperature, topK, topP, minP, typical, repetitionPenalty, seed, maxTokens: Math.min(tokens ?? 500, room), endTokens: writing?.endTokens ?? tokenizer.end };
  if (!writing) {
    await chat({ model: loaded.model as Decoder, context: loaded.context, tokenizer, device, options: { ...drawn, constraint }, stop, system, input: process.stdin, output: process.stdout });
    return exitCodes.success;
  }
  const show = async (written: AsyncGenerator<number, unknown>, index: number): Promise<void> => {
    const { source, prompt } = writings[index]!;
    if (!source) stdout.write(prompts[index]!);
    for await (const piece of untilStop(decoded(onlyText(written, writing), tokenizer, source ? [] : prompt), stop)) stdout.write(piece);
    stdout.write('\n');
  };
  if (writings.length > 1) for (const [index, text] of (await sideBySide(writings, { ...drawn, constraint }, device)).entries()) await show(text, index);
  else {
    const { model, context, source, prompt } = writing;
    await show(options.beams !== undefined ? searched(writing, options, drawn.maxTokens, device)
      : draft ? guessed(writing, draft.model, options.guesses, drawn, device, (line) => stderr.write(line))
      : generate({ model, device, context, prompt, constraint, ...drawn, ...(source ? { source, sourceContext: source.length } : { overflow: 'slide' }) }), 0);
  }
  return exitCodes.success;
}

const optionName = (name: string): string => `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** @throws {Failure} with exit code 2 where options do not go together. */
function checkOptions(options: GenerateCommandOptions): void {
  const isGiven = (name: Name): boolean => (name === 'prompt' ? options.prompt.length > 0 : options[name] !== undefined && options[name] !== false);
  if (!isGiven('prompt') && !isGiven('chat')) throw new Failure(exitCodes.usage, 'generate needs --prompt TEXT, or --chat');
  for (const [name, others] of Object.entries(excluded) as [Name, readonly Name[]][]) {
    const other = isGiven(name) ? others.find(isGiven) : undefined;
    if (other) throw new Failure(exitCodes.usage, `${optionName(name)}: goes without ${optionName(other)}; leave out one of them`);
  }
  const alone = options.prompt.length > 1 ? (['beams', 'draft'] as const).find(isGiven) : undefined;
  if (alone) throw new Failure(exitCodes.usage, `${optionName(alone)}: goes with one --prompt, got ${options.prompt.length}`);
  for (const [name, other] of Object.entries(needed) as [Name, Name][]) if (isGiven(name) && !isGiven(other)) throw new Failure(exitCodes.usage, `${optionName(name)}: goes with ${optionName(other)}`);
  const idle = options.temperature === 0 ? drawing.find(isGiven) : undefined;
  if (idle) throw new Failure(exitCodes.usage, `${optionName(idle)}: goes without --temperature 0, which takes the most likely token; leave out one of them`);
}

function writingOf({ model, context, tokenizer, targetTokenizer }: ReturnType<typeof loadWriter>, prompt: string): Writing {
  if (!(model instanceof EncoderDecoder)) {
    const start = encoded(prompt, (text) => textTokens(tokenizer, text));
    return { model, context, prompt: start, tokenizer, endTokens: tokenizer.end, isText: (token) => token < tokenizer.vocabularySize };
  }
  const { prompt: start, end, isText } = targetTokens(targetTokenizer!), source = encoded(prompt, (text) => wholeTokens(tokenizer, text)), { maxLength = Infinity } = model.encoder;
  if (source.length > maxLength) throw new Failure(exitCodes.usage, `--prompt: the model reads up to ${maxLength} tokens, and these are ${source.length}`);
  return { model, context, prompt: start, source, tokenizer: targetTokenizer!, endTokens: [end], isText };
}

function encoded(prompt: string, encode: (text: string) => Uint32Array): Uint32Array {
  try {
    const tokens = encode(prompt);
    if (tokens.length === 0) throw new Failure(exitCodes.usage, '--prompt: must hold at least one character');
    return tokens;
  } catch (error) {
    if (error instanceof UnknownCharacterError) throw new Failure(exitCodes.usage, `--prompt: ${error.message}`, { cause: error });
    throw error;
  }
}

/** A run that guesses for another. */
function draftOf(path: string, { tokenizer, model }: LoadedRun): ReturnType<typeof loadLanguageModel> {
  const draft = loadLanguageModel(path);
  if (JSON.stringify(draft.tokenizer.toJSON()) !== JSON.stringify(tokenizer.toJSON()) || draft.model.vocabulary !== model.vocabulary) throw new Failure(exitCodes.usage, `--draft ${path}: it must have the tokenizer of --run, whose tokens it guesses, and has another`);
  return draft;
}

/** What a text takes of a cache: no more than it needs. */
const contextFor = ({ context, prompt }: Writing, maxTokens: number): number => Math.min(context, prompt.length + maxTokens);

/** The texts of several prompts, each as it would be alone; text r is drawn with the seed + r. */
async function sideBySide(writings: readonly Writing[], options: Omit<WritingOptions, 'source'>, device: Device): Promise<AsyncGenerator<number, void>[]> {
  const [{ model, source }] = writings as [Writing], sources = writings.map((one) => one.source ?? []), texts: number[][] = writings.map(() => []);
  const one = writer({ model, device, batch: writings.length, context: Math.max(...writings.map((each) => contextFor(each, options.maxTokens))), ...(source ? { sourceContext: Math.max(...sources.map(({ length }) => length)) } : {}) });
  try {
    for await (const next of one.writeBatch(writings.map(({ prompt }) => prompt), { ...options, ...(source ? { source: sources } : { overflow: 'slide' }) })) if ('token' in next) texts[next.row]!.push(next.token);
  } finally {
    one.release();
  }
  return texts.map(async function* (text) { yield* text; });
}

async function* searched(writing: Writing, { beams, lengthPenalty }: GenerateCommandOptions, maxTokens: number, device: Device): AsyncGenerator<number, void> {
  const { model, prompt, source, endTokens } = writing;
  const [best] = await beamSearch({ model, device, prompt, beams: beams!, lengthPenalty, maxTokens, endTokens, context: contextFor(writing, maxTokens), ...(source ? { source, sourceContext: source.length } : {}) });
  yield* best!.tokens;
}

async function* guessed(writing: Writing, draft: ReturnType<typeof loadLanguageModel>['model'], guesses: number | undefined, options: SamplingOptions & { readonly maxTokens: number }, device: Device, tell: (line: string) => void): AsyncGenerator<number, void> {
  const model = writing.model as typeof draft, one = speculator({ model, draft, device, guesses, context: contextFor(writing, options.maxTokens) }), sum = { right: 0, guessed: 0 };
  try {
    yield* one.write(writing.prompt, { ...options, onReading: (right, count) => { sum.right += right; sum.guessed += count; } });
  } finally {
    one.release();
    tell(`\nof ${sum.guessed} guesses of the draft ${sum.right} were right\n`);
  }
}

/** Tokens that the tokenizer has no text for are left out. */
async function* onlyText(tokens: AsyncGenerator<number, unknown>, { isText }: Writing): AsyncGenerator<number, void> {
  for await (const token of tokens) if (isText(token)) yield token;
}

function constraintOf({ regex, jsonSchema }: GenerateCommandOptions, tokenizer: Tokenizer, endTokens: readonly number[] | undefined): Constraint | undefined {
  const options = { tokenizer, endTokens };
  try {
    if (regex !== undefined) return matching(regex, options);
    if (jsonSchema !== undefined) return jsonOf(JSON.parse(readFileSync(jsonSchema, 'utf8')) as JsonSchema, options);
    return undefined;
  } catch (error) {
    throw new Failure(exitCodes.usage, `${regex === undefined ? `--json-schema ${jsonSchema}` : '--regex'}: ${(error as Error).message}`, { cause: error });
  }
}

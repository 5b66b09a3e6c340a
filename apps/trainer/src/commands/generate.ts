import { readFileSync } from 'node:fs';
import { decoded, generate, jsonOf, matching, untilStop, type Constraint, type JsonSchema, type SamplingOptions } from '@ashlar/generate';
import { UnknownCharacterError, textTokens, type Tokenizer } from '@ashlar/text';
import { chat } from '../chat.js';
import { chooseDevice, deviceLine, parseDeviceName } from '../device-choice.js';
import { exitCodes, Failure } from '../failure.js';
import { loadLanguageModel } from '../load-run.js';
import type { Streams } from '../streams.js';

export interface GenerateCommandOptions extends SamplingOptions {
  readonly run: string;
  readonly prompt?: string;
  readonly chat: boolean;
  readonly system?: string;
  readonly tokens: number;
  readonly seed: number;
  readonly stop: readonly string[];
  readonly regex?: string;
  readonly jsonSchema?: string;
  readonly device: string;
}

/** `ashlar generate`: writes the prompt and what the model makes of it to stdout, token by token; or talks. */
export async function generateCommand({ run, prompt, chat: talks, system, tokens, seed, stop, regex, jsonSchema, device: name, ...sampling }: GenerateCommandOptions, { stdout, stderr }: Streams): Promise<number> {
  const deviceName = parseDeviceName(name);
  if ((prompt === undefined) !== talks) throw new Failure(exitCodes.usage, talks ? '--chat: goes without --prompt; type what you want to say' : 'generate needs --prompt TEXT, or --chat');
  if (system !== undefined && !talks) throw new Failure(exitCodes.usage, '--system: goes with --chat');
  if (regex !== undefined && jsonSchema !== undefined) throw new Failure(exitCodes.usage, '--regex: give it or --json-schema, not both');
  const { model, context, tokenizer, notes } = loadLanguageModel(run);
  const start = prompt === undefined ? undefined : encoded(prompt, tokenizer), constraint = constraintOf(regex, jsonSchema, tokenizer);
  if (start?.length === 0) throw new Failure(exitCodes.usage, '--prompt: must hold at least one character');
  const chosen = await chooseDevice(deviceName);
  await using device = chosen.device;
  for (const line of [deviceLine(chosen), ...notes]) stderr.write(`${line}\n`);

  const options = { ...sampling, maxTokens: tokens, seed, endTokens: tokenizer.end, constraint };
  if (start === undefined) {
    await chat({ model, context, tokenizer, device, options, stop, system, input: process.stdin, output: process.stdout });
    return exitCodes.success;
  }
  stdout.write(prompt!);
  const drawn = generate({ model, device, context, prompt: start, overflow: 'slide', ...options });
  for await (const piece of untilStop(decoded(drawn, tokenizer, start), stop)) stdout.write(piece);
  stdout.write('\n');
  return exitCodes.success;
}

function encoded(prompt: string, tokenizer: Tokenizer): Uint32Array {
  try {
    return textTokens(tokenizer, prompt);
  } catch (error) {
    if (error instanceof UnknownCharacterError) throw new Failure(exitCodes.usage, `--prompt: ${error.message}`, { cause: error });
    throw error;
  }
}

function constraintOf(regex: string | undefined, schemaPath: string | undefined, tokenizer: Tokenizer): Constraint | undefined {
  const options = { tokenizer, endTokens: tokenizer.end };
  try {
    if (regex !== undefined) return matching(regex, options);
    if (schemaPath !== undefined) return jsonOf(JSON.parse(readFileSync(schemaPath, 'utf8')) as JsonSchema, options);
    return undefined;
  } catch (error) {
    throw new Failure(exitCodes.usage, `${regex === undefined ? `--json-schema ${schemaPath}` : '--regex'}: ${(error as Error).message}`, { cause: error });
  }
}

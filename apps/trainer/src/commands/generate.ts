import { decoded, generate, untilStop, type SamplingOptions } from '@ashlar/generate';
import { textTokens, UnknownCharacterError } from '@ashlar/text';
import { chooseDevice, deviceLine, parseDeviceName } from '../device-choice.js';
import { exitCodes, Failure } from '../failure.js';
import { loadRun } from '../load-run.js';
import type { Streams } from '../streams.js';

export interface GenerateCommandOptions extends SamplingOptions {
  readonly run: string;
  readonly prompt: string;
  readonly tokens: number;
  readonly seed: number;
  readonly stop: readonly string[];
  readonly device: string;
}

/** `ashlar generate`: writes the prompt and what the model makes of it to stdout, token by token. */
export async function generateCommand({ run, prompt, tokens, seed, stop, device: name, ...sampling }: GenerateCommandOptions, { stdout, stderr }: Streams): Promise<number> {
  const deviceName = parseDeviceName(name);
  const { model, context, tokenizer, notes } = loadRun(run);
  const start = encoded(prompt, (text) => textTokens(tokenizer, text));
  if (start.length === 0) throw new Failure(exitCodes.usage, '--prompt: must hold at least one character');
  const chosen = await chooseDevice(deviceName);
  await using device = chosen.device;
  for (const line of [deviceLine(chosen), ...notes]) stderr.write(`${line}\n`);

  stdout.write(prompt);
  const { begin, end = [] } = tokenizer;
  // A token that begins a text ends the one before it.
  const endTokens = begin === undefined ? end : [...end, begin];
  const drawn = generate({ model, device, context, prompt: start, maxTokens: tokens, seed, endTokens, overflow: 'slide', ...sampling });
  for await (const piece of untilStop(decoded(drawn, tokenizer, start), stop)) stdout.write(piece);
  stdout.write('\n');
  return exitCodes.success;
}

function encoded(prompt: string, encode: (text: string) => Uint32Array): Uint32Array {
  try {
    return encode(prompt);
  } catch (error) {
    if (error instanceof UnknownCharacterError) throw new Failure(exitCodes.usage, `--prompt: ${error.message}`, { cause: error });
    throw error;
  }
}

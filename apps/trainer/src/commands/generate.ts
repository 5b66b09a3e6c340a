import { UnknownCharacterError } from '@ashlar/text';
import { chooseDevice, deviceLine, parseDeviceName } from '../device-choice.js';
import { decoded } from '../decoding.js';
import { exitCodes, Failure } from '../failure.js';
import { generate } from '../generation.js';
import { loadRun } from '../load-run.js';
import type { SamplingOptions } from '../sampling.js';
import type { Streams } from '../streams.js';

export interface GenerateCommandOptions extends SamplingOptions {
  readonly run: string;
  readonly prompt: string;
  readonly tokens: number;
  readonly seed: number;
  readonly device: string;
}

/** `ashlar generate`: writes the prompt and what the model makes of it to stdout, token by token. */
export async function generateCommand(options: GenerateCommandOptions, { stdout, stderr }: Streams): Promise<number> {
  const deviceName = parseDeviceName(options.device);
  const { config, model, tokenizer, notes } = loadRun(options.run);
  if (options.prompt === '') throw new Failure(exitCodes.usage, '--prompt: must hold at least one character');
  const prompt = encoded(options.prompt, (text) => tokenizer.encode(text));
  const chosen = await chooseDevice(deviceName);
  await using device = chosen.device;
  for (const line of [deviceLine(chosen), ...notes]) stderr.write(`${line}\n`);

  stdout.write(options.prompt);
  const { temperature, topK, topP, tokens, seed } = options;
  const drawn = generate({
    model, device, context: config.model.maxLength ?? config.training.context, prompt, tokens, seed, temperature,
    ...(topK === undefined ? {} : { topK }), ...(topP === undefined ? {} : { topP }),
  });
  for await (const piece of decoded(drawn, tokenizer)) stdout.write(piece);
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

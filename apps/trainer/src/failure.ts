import { CheckpointError } from '@ashlar/train';
import { MetricsFileError } from '@ashlar/train/node';
import { GgufError, HuggingFaceConfigError, Llama2cError, OnnxError, SafetensorsError } from '@ashlar/hub';
import { InvalidUtf8Error, TextTooShortError, UnknownCharacterError } from '@ashlar/text';
import { FileWriteError, TextFileError } from '@ashlar/text/node';
import { DeviceLostError, OutOfMemoryError, ValidationError } from '@ashlar/webgpu';

/** What the command line ends with, by kind of trouble. */
export const exitCodes = { success: 0, runtime: 1, usage: 2, data: 3, device: 4, output: 5, interrupted: 130 } as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Trouble that a person can do something about: one calm message and an exit code. */
export class Failure extends Error {
  override readonly name = 'Failure';
  constructor(readonly exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

const kinds: readonly (readonly [ExitCode, readonly (new (...args: never[]) => Error)[]])[] = [
  [exitCodes.data, [TextFileError, InvalidUtf8Error, TextTooShortError, UnknownCharacterError, GgufError, HuggingFaceConfigError, Llama2cError, SafetensorsError, CheckpointError, MetricsFileError]],
  [exitCodes.usage, [OnnxError]],
  [exitCodes.device, [DeviceLostError, OutOfMemoryError, ValidationError]],
  [exitCodes.output, [FileWriteError]],
];

/** The message and exit code of any error. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (!(error instanceof Error)) return new Failure(exitCodes.runtime, String(error));
  const [exitCode] = kinds.find(([, errors]) => errors.some((one) => error instanceof one)) ?? [exitCodes.runtime];
  return new Failure(exitCode, error.message, { cause: error });
}

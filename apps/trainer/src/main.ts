import { CommanderError } from 'commander';
import { exitCodes, failureOf } from './failure.js';
import { createProgram } from './program.js';
import type { Streams } from './streams.js';

/** Runs the command line and gives its exit code. Errors are one message on stderr; DEBUG adds where they came from. */
export async function main(words: readonly string[], streams: Streams): Promise<number> {
  let exitCode: number = exitCodes.success;
  try {
    await createProgram(streams, (code) => { exitCode = code; }).parseAsync(words, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.success : exitCodes.usage;
    const failure = failureOf(error);
    streams.stderr.write(`error: ${failure.message}\n`);
    if (process.env.DEBUG) streams.stderr.write(`${describeCauses(error)}\n`);
    exitCode = failure.exitCode;
  }
  return exitCode;
}

/** The stack of an error and of what caused it. */
function describeCauses(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.stack ?? error.message}${error.cause === undefined ? '' : `\ncaused by ${describeCauses(error.cause)}`}`;
}

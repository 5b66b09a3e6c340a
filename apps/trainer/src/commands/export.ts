import { suggestion } from '../config/nearest.js';
import { exitCodes, Failure } from '../failure.js';
import { formatNames, type FormatName } from '../export/format-names.js';
import { formats, type FormatOptions } from '../export/formats.js';
import { loadRun } from '../load-run.js';
import type { Streams } from '../streams.js';

export interface ExportCommandOptions extends FormatOptions {
  readonly run: string;
  readonly format: string;
  readonly out: string;
}

/** `ashlar export`: the model of a run in the form of another program. */
export async function exportCommand({ run, format, out, ...options }: ExportCommandOptions, { stderr }: Streams): Promise<number> {
  if (!(formatNames as readonly string[]).includes(format)) throw new Failure(exitCodes.usage, `--format ${format}: there is no such form.${suggestion(format, formatNames)} There are ${formatNames.join(', ')}`);
  const chosen = formats[format as FormatName];
  for (const key of Object.keys(options) as (keyof FormatOptions)[]) if (!chosen.options.includes(key)) throw new Failure(exitCodes.usage, `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} does not go with --format ${format}; leave it out`);
  const loaded = loadRun(run);
  for (const note of loaded.notes) stderr.write(`${note}\n`);
  stderr.write(`${out}: ${await chosen.write(loaded, out, options)}\n`);
  return exitCodes.success;
}

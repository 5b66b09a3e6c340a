import { catalogue, describeCatalogue, type PartDescription, type PartKind } from '@ashlar/models';
import { exitCodes, Failure } from '../failure.js';
import { suggestion } from '../config/nearest.js';
import type { Streams } from '../streams.js';

/** Families as they are typed, and as configs name them. */
const families: Readonly<Record<string, PartKind>> = { attention: 'attention', positional: 'positional', norm: 'norm', residual: 'residual', 'feed-forward': 'feedForward' };
const familyNames = Object.keys(families);

/** `ashlar list`: what a config can name, with a line, the capabilities and the paper of each part. */
export async function listCommand(family: string | undefined, { json }: { readonly json: boolean }, { stdout }: Streams): Promise<number> {
  if (family !== undefined && !Object.hasOwn(families, family)) throw new Failure(exitCodes.usage, `there is no family ${JSON.stringify(family)}; the families are ${familyNames.join(', ')}.${suggestion(family, familyNames)}`);
  const kind = family === undefined ? undefined : families[family], parts = describeCatalogue(kind);
  if (json) stdout.write(`${JSON.stringify(parts, undefined, 2)}\n`);
  else stdout.write(`${(kind ? [kind] : Object.keys(catalogue) as PartKind[]).map((one) => table(one, parts.filter((part) => part.kind === one))).join('\n')}`);
  return exitCodes.success;
}

function table(kind: PartKind, parts: readonly PartDescription[]): string {
  const width = Math.max(...parts.map(({ name }) => name.length)), indent = ' '.repeat(width + 4);
  const lines = parts.flatMap(({ name, summary, paper, capabilities }) => [`  ${name.padEnd(width)}  ${summary}`, `${indent}${[...capabilities, paper].join(' · ')}`]);
  return [Object.entries(families).find(([, one]) => one === kind)![0], ...lines, ''].join('\n');
}

import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { catalogue, type OwnParts, type PartKind } from '@ashlar/models';
import { exitCodes, Failure } from '../failure.js';

/** Packages of which a part and this program must have one and the same copy: models look for their modules and tensors by class. */
const shared = ['@ashlar/tensor', '@ashlar/nn'];

/** Plugins as a config names them, packages or files, as files. @throws {Failure} with exit code 2 where one is not to be found from there. */
export const placedPlugins = (names: readonly string[], config: string): string[] => names.map((name) => {
  try {
    return createRequire(resolve(config)).resolve(name);
  } catch (error) {
    const advice = /^[./]|^[A-Za-z]:/.test(name) ? 'there is no such file' : `it cannot be found from the folder of the config: install it there (npm install ${name}), or give a file such as "./dist/index.js"`;
    throw new Failure(exitCodes.usage, `${config}: plugins: ${JSON.stringify(name)}: ${advice}`, { cause: error });
  }
});

const loaded = new Map<string, OwnParts>();

/** What a plugin adds to the catalogue: its export `parts`. @throws {Failure} with exit code 2 where it has none, or stands on other copies of our packages. */
function partsOf(file: string, where: string): OwnParts {
  const known = loaded.get(file);
  if (known) return known;
  const fail = (problem: string, cause?: unknown): Failure => new Failure(exitCodes.usage, `${where}: plugins: ${file}: ${problem}`, { cause });
  const require = createRequire(file), ours = createRequire(import.meta.url);
  for (const name of shared) {
    let theirs: string;
    try { theirs = require.resolve(name); } catch { continue; } // it does not use it
    if (theirs !== ours.resolve(name)) throw fail(`it uses another copy of ${name} (${theirs}) than this program (${ours.resolve(name)}): install it where both have one, such as with npm link or an override`);
  }
  let module: { readonly parts?: OwnParts };
  try { module = require(file) as { readonly parts?: OwnParts }; } catch (error) { throw fail((error as Error).message, error); }
  if (typeof module.parts !== 'object' || module.parts === null) throw fail('it must export parts: { attention: { mine: entry } }');
  loaded.set(file, module.parts);
  return module.parts;
}

/** The parts of plugins, given as files; undefined where there are none. @throws {Failure} with exit code 2 where one cannot be had, or two name the same. */
export function pluginParts(files: readonly string[] | undefined, where: string): OwnParts | undefined {
  if (files === undefined || files.length === 0) return undefined;
  const all: { [Kind in PartKind]?: Record<string, never> } = {};
  for (const file of files) for (const [kind, entries] of Object.entries(partsOf(file, where)) as [PartKind, Record<string, never>][]) {
    const fail = (problem: string): Failure => new Failure(exitCodes.usage, `${where}: plugins: ${file}: ${problem}`);
    if (!Object.hasOwn(catalogue, kind)) throw fail(`there is no family ${JSON.stringify(kind)}; the families are ${Object.keys(catalogue).join(', ')}`);
    for (const name of Object.keys(entries)) if (Object.hasOwn(catalogue[kind], name) || Object.hasOwn(all[kind] ?? {}, name)) throw fail(`there is ${kind} ${name} already; leave one of them out`);
    all[kind] = { ...all[kind], ...entries };
  }
  return all;
}

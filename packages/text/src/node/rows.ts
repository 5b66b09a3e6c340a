import { readLines } from './read-file.js';
import { TextFileError, type TextFiles } from './text-files.js';

/** An object of a file of JSON lines, or a row of a table. */
export interface Row {
  readonly values: { readonly [key: string]: unknown };
  /** Where it stands, for messages. */
  readonly place: string;
}

/**
 * The rows of JSON lines or of tables, one at a time; of tables the columns of strings that are asked for alone.
 * @throws TextFileError where the files are neither, something is no object, or a column is missing.
 */
export async function* readRows({ name, kind, files }: TextFiles, columns?: readonly string[]): AsyncGenerator<Row> {
  if (kind === 'text') throw new TextFileError(`${name}: has no rows; give JSON lines (.jsonl) or a table (.parquet)`);
  // Its decoders take tens of milliseconds to load: who reads no table need not.
  const { readParquet } = kind === 'parquet' ? await import('./parquet.js') : {};
  for (const file of files) {
    let number = 0;
    if (readParquet) for await (const values of readParquet(file, columns)) yield { values, place: `${file}: row ${++number}` };
    else for await (const lines of readLines(file)) for (const line of lines) {
      number++;
      if (line.trim() !== '') yield { values: objectOf(line, `${file}: line ${number}`), place: `${file}: line ${number}` };
    }
  }
}

function objectOf(line: string, place: string): Row['values'] {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new TextFileError(`${place} is not valid JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TextFileError(`${place} must be an object, got ${line.slice(0, 60)}`);
  return value as Row['values'];
}

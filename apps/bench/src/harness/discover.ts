/** Finding benchmarks: files `bench/NAME.bench.ts` of a package, or `src/NAME.bench.ts`, that export a list `benchmarks`. */
import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Benchmark } from '@ashlar/conformance/benchmark';
import { glob } from 'tinyglobby';
import { register } from 'tsx/esm/api';
import { failure } from './conversation.js';

/** The folder of this repository. */
export const repository = resolve(fileURLToPath(new URL('../../../..', import.meta.url)));

export interface FoundBenchmark {
  readonly benchmark: Benchmark;
  readonly file: string;
}

/** The files with benchmarks of a package, or of all packages of a repository. */
async function benchmarkFiles(folder: string): Promise<string[]> {
  const inPackage = '{bench,src}/**/*.bench.ts';
  return (await glob([inPackage, `{packages,apps}/*/${inPackage}`], { cwd: folder, absolute: true, ignore: ['**/node_modules/**', '**/dist/**', '**/test/**'] })).sort();
}

let typescript = false;

/** The benchmarks of a file. @throws {Error} naming the file where it exports none, or something else. */
export async function loadBenchmarks(file: string): Promise<FoundBenchmark[]> {
  if (!typescript) register();
  typescript = true;
  const { benchmarks } = await import(pathToFileURL(file).href) as { benchmarks?: unknown };
  const shown = relative(process.cwd(), file);
  if (!Array.isArray(benchmarks) || benchmarks.length === 0) throw new Error(`${shown}: it must export a list benchmarks, with at least one benchmark in it`);
  return (benchmarks as Benchmark[]).map((benchmark, i) => {
    const problem = problemOf(benchmark);
    if (problem !== undefined) throw new Error(`${shown}: benchmark ${i + 1} ${problem}`);
    return { benchmark, file };
  });
}

function problemOf(one: Partial<Benchmark> | null): string | undefined {
  if (typeof one !== 'object' || one === null) return `must be made by defineBenchmark, got ${String(one)}`;
  for (const key of ['suite', 'name', 'description'] as const) if (typeof one[key] !== 'string' || one[key] === '') return `must have a ${key}, got ${JSON.stringify(one[key]) ?? 'none'}`;
  if (typeof one.prepare !== 'function') return `(${one.name}) must have a function prepare`;
  for (const [key, values] of Object.entries(one.parameters ?? {})) {
    if (!Array.isArray(values) || values.length === 0) return `(${one.name}): the parameter ${key} must have a list of values`;
  }
  return typeof one.parameters === 'object' ? undefined : `(${one.name}) must have parameters; {} where there is one case`;
}

/** Every benchmark of some folders. @throws {Error} where two have one name. */
export async function discover(folders: readonly string[]): Promise<FoundBenchmark[]> {
  const found: FoundBenchmark[] = [];
  for (const folder of folders) {
    const files = await benchmarkFiles(resolve(folder));
    if (files.length === 0 && folder !== repository) throw new Error(`${folder}: there is no file bench/NAME.bench.ts`);
    for (const file of files) {
      // One file that cannot be loaded, such as that of a package which is not built, keeps nobody from the others.
      try { found.push(...await loadBenchmarks(file)); } catch (error) { process.stderr.write(`bench: ${relative(process.cwd(), file)} is left out: ${failure(error)}\n`); }
    }
  }
  for (const [i, { benchmark, file }] of found.entries()) {
    const other = found.slice(i + 1).find((one) => one.benchmark.name === benchmark.name);
    if (other) throw new Error(`two benchmarks are named ${benchmark.name}: one in ${file}, one in ${other.file}`);
  }
  return found;
}

/** Those that words name, by their suite or by their own name; all where there is no word. @throws {Error} on a word that names none. */
export function choose(found: readonly FoundBenchmark[], words: readonly string[]): FoundBenchmark[] {
  const suites = [...new Set(found.map(({ benchmark }) => benchmark.suite))].sort();
  for (const word of words) {
    if (!found.some(({ benchmark }) => benchmark.suite === word || benchmark.name === word)) {
      throw new Error(`${word} is no suite and no benchmark; suites are ${suites.join(', ')}; \`pnpm bench list\` tells all`);
    }
  }
  return words.length === 0 ? [...found] : found.filter(({ benchmark }) => words.includes(benchmark.suite) || words.includes(benchmark.name));
}

/** The package that a file belongs to. */
export function packageFolder(file: string): string {
  let folder = dirname(file);
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

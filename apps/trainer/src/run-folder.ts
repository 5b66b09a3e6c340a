import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { basename, extname, join, relative, resolve } from 'node:path';
import { checkpointFolder, type CheckpointFolder } from '@ashlar/train/node';
import { readSafetensorsFile, writeSafetensors } from '@ashlar/hub/node';
import { FileWriteError, replaceFile } from '@ashlar/text/node';
import { exitCodes, Failure } from './failure.js';

/** The files of one training run. */
export interface RunFolder {
  readonly path: string;
  /** As a person would type it. */
  readonly shownPath: string;
  readonly config: string;
  readonly metrics: string;
  readonly tokenizer: string;
  /** Of what is written, where it is not that of what is read. */
  readonly targetTokenizer: string;
  readonly model: string;
  readonly report: string;
  /** Says which process trains it, while one does. */
  readonly lock: string;
  readonly checkpoints: CheckpointFolder;
}

/** What stands in a folder. `finished`: the report, which comes last, is there. */
export type RunState = 'absent' | 'empty' | 'unfinished' | 'finished' | 'other';

export function runFolder(path: string): RunFolder {
  const folder = resolve(path);
  const shown = relative(process.cwd(), folder);
  return {
    path: folder,
    shownPath: shown === '' ? '.' : shown.startsWith('..') ? folder : shown,
    config: join(folder, 'config.json'),
    metrics: join(folder, 'metrics.jsonl'),
    tokenizer: join(folder, 'tokenizer.json'),
    targetTokenizer: join(folder, 'target-tokenizer.json'),
    model: join(folder, 'model.safetensors'),
    report: join(folder, 'report.html'),
    lock: join(folder, '.lock'),
    checkpoints: checkpointFolder(folder, { format: { write: writeSafetensors, read: readSafetensorsFile } }),
  };
}

export function stateOf(run: RunFolder): RunState {
  if (!existsSync(run.path)) return 'absent';
  if (!statSync(run.path).isDirectory()) return 'other';
  if (existsSync(run.report) && existsSync(run.model)) return 'finished';
  if (existsSync(run.config)) return 'unfinished';
  return readdirSync(run.path).every((name) => leftover.test(name) || name === basename(run.lock)) ? 'empty' : 'other';
}

/** What a killed process can leave of a file that it was writing. */
const leftover = /^\.(config\.json|(?:target-)?tokenizer\.json|metrics\.jsonl|model\.safetensors|report\.html|checkpoint-\d+\.safetensors)\.\d+-\d+\.tmp$/;

/** Removes what a killed process left half written in the folder of a run. */
export function removeLeftovers(run: RunFolder): void {
  for (const name of readdirSync(run.path)) if (leftover.test(name)) rmSync(join(run.path, name), { force: true });
}

/**
 * The folder of a new run: `out`, which must not hold anything yet, or `runs/<name>-<date>-<time>`, numbered where
 * that is taken. Makes it.
 *
 * @throws Failure with exit code 2 where `out` is in use, FileWriteError where the folder cannot be made.
 */
export function createRunFolder(name: string, out: string | undefined, now: Date): RunFolder {
  if (out === undefined) return makeUnused(join('runs', `${name}-${timeStamp(now)}`));
  const run = runFolder(out);
  const state = stateOf(run);
  const advice = 'give another --out';
  if (state === 'unfinished') throw new Failure(exitCodes.usage, `--out ${out}: holds a run that is not finished; go on with it by --resume, or ${advice}`);
  if (state === 'finished') throw new Failure(exitCodes.usage, `--out ${out}: holds a finished run, which is never overwritten; ${advice}`);
  if (state === 'other') throw new Failure(exitCodes.usage, `--out ${out}: is in use and holds no run; ${advice}`);
  makeFolder(run.path);
  return run;
}

/** The newest unfinished run of that name in `runs/`, or undefined. */
export function newestUnfinished(name: string): RunFolder | undefined {
  if (!existsSync('runs')) return undefined;
  const pattern = new RegExp(`^${name.replaceAll('.', '\\.')}-\\d{8}-\\d{6}(-\\d+)?$`);
  return readdirSync('runs').filter((entry) => pattern.test(entry)).sort().reverse().map((entry) => runFolder(join('runs', entry))).find((run) => stateOf(run) === 'unfinished');
}

/** A run's name, from the name of its config file: letters, digits, dots, hyphens and underscores. */
export function runName(configPath: string): string {
  const name = basename(configPath, extname(configPath)).replaceAll(/[^\w.-]+/g, '-').replaceAll(/^[-.]+|-+$/g, '');
  return name === '' ? 'run' : name;
}

/** Writes a JSON file whole or not at all. */
export function writeJson(path: string, value: unknown): void {
  writeText(path, `${JSON.stringify(value, undefined, 2)}\n`);
}

/** Writes a text file whole or not at all. */
export function writeText(path: string, text: string): void {
  replaceFile(path, [new TextEncoder().encode(text)]);
}

/** Reads a JSON file of a run. Throws a Failure with exit code 3 where it is missing or damaged. */
export function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new Failure(exitCodes.data, `${path}: ${(error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file: is this the folder of a run?' : (error as Error).message}`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Failure(exitCodes.data, `${path}: not valid JSON: ${(error as Error).message}`);
  }
}

function makeUnused(path: string): RunFolder {
  makeFolder('runs');
  for (let number = 1; ; number++) {
    const run = runFolder(number === 1 ? path : `${path}-${number}`);
    try {
      mkdirSync(run.path);
      return run;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw new FileWriteError(run.path, error);
    }
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new FileWriteError(path, error);
  }
}

/** `20260131-235959`, in local time. */
function timeStamp(now: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}-${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
}

import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MetricsRow } from '@ashlar/train';

export const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

/** How a process of the command line ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Whether it ended by itself: nobody had to end it. */
  readonly byItself: boolean;
}

/** A process of the command line that is under way. */
export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves once it has printed so many lines to stdout; rejects where it ends before. */
  lines(count: number): Promise<void>;
  /** What it has printed to stdout so far. */
  printed(): string;
}

export interface LaunchOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Before it is ended by force. */
  readonly milliseconds?: number;
}

/** Starts `ashlar` with the words given. */
export function launch(words: readonly string[], options: LaunchOptions = {}): Running {
  return launchProgram(process.execPath, [cli, ...words], options);
}

/** Starts any program, watched in the same way. */
export function launchProgram(program: string, words: readonly string[], { cwd, env = {}, milliseconds = 100_000 }: LaunchOptions = {}): Running {
  if (!existsSync(cli)) throw new Error('apps/trainer is not built: run pnpm build first');
  const child = spawn(program, words, { cwd, env: { ...process.env, DEBUG: '', ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '', stderr = '', byItself = true;
  const waiting: { count: number; resolve: () => void; reject: (error: Error) => void }[] = [];
  const settle = (): void => {
    const have = stdout.split('\n').length - 1;
    for (const one of waiting) if (have >= one.count) one.resolve();
  };
  child.stdout!.on('data', (data: Buffer) => {
    stdout += data.toString();
    settle();
  });
  child.stderr!.on('data', (data: Buffer) => { stderr += data.toString(); });
  const timer = setTimeout(() => {
    byItself = false;
    child.kill('SIGKILL');
  }, milliseconds);
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      for (const one of waiting) one.reject(new Error(`the process ended with ${code ?? signal} before it printed ${one.count} lines:\n${stdout}${stderr}`));
      resolve({ code, signal, stdout, stderr, byItself });
    });
  });
  return {
    child, ended,
    printed: () => stdout,
    lines: (count) => new Promise((resolve, reject) => {
      waiting.push({ count, resolve, reject });
      settle();
    }),
  };
}

/** Runs `ashlar` to its end. */
export const ashlar = (words: readonly string[], options: LaunchOptions = {}): Promise<Ended> => launch(words, options).ended;

/** A folder with a short book and a tiny config, `tiny.json`. */
export interface Playground {
  readonly folder: string;
  readonly config: string;
  at(...names: string[]): string;
  remove(): void;
}

export function playground(): Playground {
  const folder = mkdtempSync(join(tmpdir(), 'ashlar-cli-'));
  const words = 'the whale sea ship captain boat white old man and of a in water'.split(' ');
  const book = Array.from({ length: 900 }, (_, i) => words[(i * i + 5 * i + (i >> 4)) % words.length]).join(' ');
  writeFileSync(join(folder, 'book.txt'), `${book}.\n`);
  writeFileSync(join(folder, 'tiny.json'), JSON.stringify({
    model: { modelType: 'decoder', width: 16, depth: 1, attention: { type: 'multiHead', heads: 2 }, positional: 'learned', norm: 'layerNorm', feedForward: 'mlp', dropout: 0.1 },
    data: { source: 'book.txt' },
    training: { steps: 60, batch: 4, context: 8, learningRate: { peak: 0.01, warmup: 5 }, logEvery: 1, evaluateEvery: 20, checkpointEvery: 20 },
    sample: { prompt: 'the ', tokens: 20 },
  }));
  return {
    folder, config: join(folder, 'tiny.json'),
    at: (...names) => join(folder, ...names),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** The rows of a metrics file as they stand, line by line, without the speed, which no two runs share. */
export function rowsOf(path: string): Omit<MetricsRow, 'tokensPerSecond' | 'seconds'>[] {
  return readFileSync(path, 'utf8').trimEnd().split('\n').map((line) => {
    const { tokensPerSecond: _, seconds: __, ...row } = JSON.parse(line) as MetricsRow;
    return row;
  });
}

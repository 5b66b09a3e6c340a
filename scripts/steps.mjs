// Running the steps of a set-up: one calm line each, the output of a child only where it failed.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's folder, with no slash at its end. */
export const root = fileURLToPath(new URL('..', import.meta.url)).replace(/[/\\]$/, '');

const clearLine = '\r\x1b[K';

/** A step failed in a way that the message explains. */
export class StepError extends Error {}

/**
 * Does one step and prints one line: what, how long, or that it was done before.
 * @param {string} title
 * @param {() => Promise<string | void>} action Resolves with `done before` where there was nothing to do.
 */
export async function step(title, action) {
  const start = performance.now();
  const live = process.stdout.isTTY;
  if (live) process.stdout.write(`${title} …`);
  try {
    const note = await action();
    console.log(`${live ? clearLine : ''}${title} · ${note ?? `${((performance.now() - start) / 1000).toFixed(1)} s`}`);
  } catch (error) {
    console.log(`${live ? clearLine : ''}${title} · failed`);
    throw error;
  }
}

/**
 * Runs a program and gives its output. Throws a StepError with the output where it fails.
 * @param {string} program @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 */
export function run(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (data) => { output += data; });
    child.stderr.on('data', (data) => { output += data; });
    child.on('error', (error) => reject(new StepError(`${program} could not be started: ${error.message}`)));
    child.on('close', (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new StepError(`${output.trimEnd()}\n${[program, ...args].join(' ')} ended with ${signal ?? `exit code ${code}`}${networkHint(output)}`));
    });
  });
}

/**
 * Runs a program on this terminal and gives its exit code. It ends the program before this process ends.
 * @param {string} program @param {string[]} args @param {NodeJS.ProcessEnv} [env]
 */
export function runVisibly(program, args, env = process.env) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, env, stdio: 'inherit' });
    const forward = (/** @type {NodeJS.Signals} */ signal) => { child.kill(signal); };
    const ignore = () => {}; // the terminal sends SIGINT to the child as well: let it finish its own way
    process.on('SIGINT', ignore).on('SIGTERM', forward);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      process.off('SIGINT', ignore).off('SIGTERM', forward);
      resolve(code ?? (signal === 'SIGINT' ? 130 : 143));
    });
  });
}

/** What to do where a program's output shows that the network failed. @param {string} output */
export function networkHint(output) {
  const found = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT_LOCALLY|ERR_PNPM_META_FETCH_FAIL)\b/.exec(output);
  return found ? `\nThe package registry could not be reached (${found[1]}): connect to the network, or set your proxy with npm config, and run the same command again.` : '';
}

/** A hash over the contents of files, their names, and more that a step depends on. @param {string[]} files @param {unknown[]} more */
export function fingerprint(files, ...more) {
  const hash = createHash('sha256').update(JSON.stringify(more));
  for (const file of [...files].sort()) hash.update(`\0${file}\0`).update(readFileSync(file));
  return hash.digest('hex');
}

/** Whether the stamp at `path` says that this very step was finished. @param {string} path @param {string} print */
export const isStamped = (path, print) => existsSync(path) && readFileSync(path, 'utf8') === print;

/** @param {string} path @param {string} print */
export function stamp(path, print) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, print);
}

/** Runs the main function of a script and turns an error into a message and exit code 1. @param {() => Promise<number | void>} main */
export async function runScript(main) {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    console.error(error instanceof StepError ? error.message : error);
    process.exitCode = 1;
  }
}

// Makes a fresh clone ready: the pinned pnpm, the dependencies, the build. What is finished is not done again.
// Needs Node and npm alone.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { fingerprint, isStamped, root, run, runScript, stamp, step, StepError } from './steps.mjs';

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const windows = process.platform === 'win32';

/**
 * Sets everything up, and returns the environment in which the pinned pnpm is on the path.
 * @returns {Promise<NodeJS.ProcessEnv>}
 */
export async function setup() {
  checkNode(process.versions.node, manifest.engines.node);
  const version = pinnedPnpm(manifest.packageManager);
  const shims = join(root, '.cache', 'bin', version);
  await step(`pnpm ${version}`, () => preparePnpm(version, shims));

  const env = { ...process.env, TURBO_TELEMETRY_DISABLED: '1', TURBO_NO_UPDATE_NOTIFIER: '1', DO_NOT_TRACK: '1', NO_UPDATE_NOTIFIER: '1' };
  const pathName = Object.keys(env).find((name) => name.toUpperCase() === 'PATH') ?? 'PATH';
  env[pathName] = [shims, join(root, 'node_modules', '.bin'), env[pathName]].join(delimiter);

  await step('dependencies', () => installDependencies(env, version));
  await step('build', async () => {
    const turbo = join(root, 'node_modules', 'turbo', 'bin', 'turbo');
    const output = await run(process.execPath, [turbo, 'run', 'build', '--output-logs=errors-only', '--no-color'], { env });
    return /FULL TURBO/.test(output) ? 'done before' : undefined;
  });
  return env;
}

/** @param {string} running @param {string} allowed A range of the form >=MAJOR.MINOR */
export function checkNode(running, allowed) {
  const [major, minor] = running.split('.').map(Number);
  const [leastMajor, leastMinor] = allowed.replace('>=', '').split('.').map(Number);
  if (major < leastMajor || (major === leastMajor && minor < leastMinor)) {
    throw new StepError(`Ashlar needs Node ${allowed.replace('>=', '')} or newer, and this is Node ${running}: install a newer Node and run the same command again.`);
  }
}

/** The exact version in the `packageManager` field. @param {string} packageManager */
export function pinnedPnpm(packageManager) {
  const [, version] = /^pnpm@(\d+\.\d+\.\d+)$/.exec(packageManager) ?? [];
  if (version === undefined) throw new StepError(`package.json: packageManager must be pnpm@MAJOR.MINOR.PATCH, got ${packageManager}`);
  return version;
}

/** Puts a `pnpm` command of the wanted version into the folder `shims`. @param {string} version @param {string} shims */
async function preparePnpm(version, shims) {
  const folder = join(root, '.cache', 'pnpm', version);
  const entry = join(folder, 'node_modules', 'pnpm', 'bin', 'pnpm.mjs');
  const command = join(shims, windows ? 'pnpm.cmd' : 'pnpm');
  if (existsSync(command) && (await versionOf(command)) === version) return 'done before';
  mkdirSync(shims, { recursive: true });
  const existing = commandOnPath(windows ? 'pnpm.cmd' : 'pnpm', shims);
  if (existing !== undefined && (await versionOf(existing)) === version) {
    writeShim(command, [existing]);
    return 'already installed';
  }
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  await runNpm([
    'install', '--no-audit', '--no-fund', '--loglevel=error', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000', `pnpm@${version}`,
  ], folder);
  writeShim(command, [process.execPath, entry]);
  const found = await versionOf(command);
  if (found !== version) throw new StepError(`pnpm ${version} was installed in ${folder}, but it says its version is ${found ?? 'unknown'}: delete that folder and run the same command again.`);
  return undefined;
}

/** Writes a command that runs another with the arguments it is given. @param {string} path @param {string[]} command */
function writeShim(path, command) {
  const quoted = command.map((word) => (windows ? `"${word}"` : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');
  writeFileSync(path, windows ? `@${quoted} %*\r\n` : `#!/bin/sh\nexec ${quoted} "$@"\n`, { mode: 0o755 });
}

/** Where the path has a command, other than in the folder `except`. @param {string} name @param {string} except */
function commandOnPath(name, except) {
  return (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '' && folder !== except)
    .map((folder) => join(folder, name)).find((file) => existsSync(file));
}

/** The version that a pnpm command says it has; undefined where it does not run. @param {string} command */
async function versionOf(command) {
  try {
    const env = { ...process.env, COREPACK_ENABLE_DOWNLOAD_PROMPT: '0', COREPACK_ENABLE_NETWORK: '0' };
    return (await run(command, ['--version'], { cwd: tmpdir(), env })).trim();
  } catch {
    return undefined;
  }
}

/**
 * Runs the npm that runs this script, else the one on the path, inside a folder. A folder rather than `--prefix`, with
 * which npm would not read the settings (registry, proxy, certificates) that the machine keeps at its own prefix.
 * @param {string[]} args @param {string} folder
 */
function runNpm(args, folder) {
  const npm = process.env.npm_execpath;
  return npm?.endsWith('npm-cli.js') ? run(process.execPath, [npm, ...args], { cwd: folder }) : run(windows ? 'npm.cmd' : 'npm', args, { cwd: folder });
}

/** @param {NodeJS.ProcessEnv} env @param {string} version */
async function installDependencies(env, version) {
  const manifests = ['packages', 'apps'].flatMap((group) => readdirSync(join(root, group)).map((name) => join(root, group, name, 'package.json')))
    .filter((file) => existsSync(file));
  const files = ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml'].map((file) => join(root, file));
  const print = fingerprint([...files, ...manifests], version, process.platform, process.arch, process.versions.modules);
  const done = join(root, 'node_modules', '.ashlar-setup');
  if (isStamped(done, print) && manifests.every((file) => installed(file))) return 'done before';
  await run(join(root, '.cache', 'bin', version, windows ? 'pnpm.cmd' : 'pnpm'), ['install', '--frozen-lockfile', '--config.confirmModulesPurge=false'], { env });
  stamp(done, print);
  return undefined;
}

/** Whether the package at a manifest has its node_modules, where it depends on anything. @param {string} file */
function installed(file) {
  const { dependencies = {}, devDependencies = {} } = JSON.parse(readFileSync(file, 'utf8'));
  return Object.keys({ ...dependencies, ...devDependencies }).length === 0 || existsSync(join(file, '..', 'node_modules'));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await runScript(async () => { await setup(); });

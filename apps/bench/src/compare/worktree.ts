/** Another revision of the repository in a folder of its own, set up and built, with the benchmarks of this one. */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { globSync } from 'tinyglobby';
import { repository } from '../harness/discover.js';
import { revisionOf } from '../harness/machine.js';

/** A built tree of the repository. */
export interface Tree {
  readonly folder: string;
  /** For people. */
  readonly revision: string;
  release(): void;
}

/** The working tree itself, as it was built last. */
export const ownTree = (): Tree => ({ folder: repository, revision: revisionOf(repository) ?? 'the working tree', release: () => undefined });

/**
 * The tree that `--against` names: a folder with a built tree, which is taken as it is; else a revision, which is
 * checked out into a temporary folder, set up by its own `scripts/setup.mjs`, and given the benchmarks of this tree.
 * @throws {Error} where git knows no such revision, or its setup fails.
 */
export async function treeOf(against: string, onProgress?: (line: string) => void): Promise<Tree> {
  if (existsSync(join(against, 'pnpm-workspace.yaml'))) return { folder: resolve(against), revision: revisionOf(against) ?? against, release: () => undefined };
  const revision = git(`${against} is no revision, and no folder with a built tree`, 'rev-parse', '--short', '--verify', `${against}^{commit}`);
  const parent = mkdtempSync(join(tmpdir(), 'ashlar-bench-')), folder = join(parent, 'tree');
  const release = (): void => {
    spawnSync('git', ['worktree', 'remove', '--force', folder], { cwd: repository });
    rmSync(parent, { recursive: true, force: true });
    spawnSync('git', ['worktree', 'prune'], { cwd: repository });
  };
  process.once('exit', release);
  try {
    onProgress?.(`${revision}: checking out`);
    git(`${revision} cannot be checked out`, 'worktree', 'add', '--detach', folder, revision);
    onProgress?.(`${revision}: setting up and building`);
    await setUp(folder);
    bringBenchmarks(folder);
    return { folder, revision, release };
  } catch (error) {
    release();
    throw error;
  }
}

function git(problem: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('git', args, { cwd: repository, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${problem}: git ${args[0]}: ${stderr.trim()}`);
  return stdout.trim();
}

function setUp(folder: string): Promise<void> {
  return new Promise((done, failed) => {
    const child = spawn(process.execPath, ['scripts/setup.mjs'], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { said = (said + text).slice(-4000); });
    child.on('error', failed);
    child.on('close', (code) => { if (code === 0) done(); else failed(new Error(`scripts/setup.mjs of the other revision ended with code ${code}:\n${said.trim()}`)); });
  });
}

/** Copies this tree's benchmarks, and the sources of the harness that some of them use, over the other's. */
function bringBenchmarks(folder: string): void {
  const bring = ['apps/bench/src', ...globSync('{packages,apps}/*/bench', { cwd: repository, onlyDirectories: true, ignore: ['**/node_modules/**'] })];
  for (const path of bring) {
    const to = join(folder, path);
    if (!existsSync(dirname(to))) continue;
    rmSync(to, { recursive: true, force: true });
    cpSync(join(repository, path), to, { recursive: true });
  }
}

/** Where a file of this tree lies in another. */
export const fileIn = ({ folder }: Tree, file: string): string => join(folder, relative(repository, file));

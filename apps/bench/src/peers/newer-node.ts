/** A newer Node for peers that are faster there: the npm package `node-<platform>-<arch>`, installed on demand into this app's cache. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const version = '24.21.0';
const folder = fileURLToPath(new URL('../../.cache/newer-node', import.meta.url));
const packageName = `node-${process.platform}-${process.arch}`;
const binary = join(folder, 'node_modules', packageName, 'bin', 'node');

/** The path of the newer Node; undefined where this process runs on one as new, or where none was installed. */
export function newerNode(): string | undefined {
  return Number(process.versions.node.split('.')[0]) < 22 && existsSync(binary) ? binary : undefined;
}

/** Installs the newer Node with npm (about 120 MB). Returns its path. Throws npm's words when it fails. */
export function installNewerNode(): string {
  if (existsSync(binary)) return binary;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true }));
  const { status, stderr } = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--save-exact', `${packageName}@${version}`], { cwd: folder, encoding: 'utf8' });
  if (status !== 0) throw new Error(`npm could not install ${packageName}@${version}: ${stderr.trim().split('\n').slice(0, 3).join(' ')}`);
  return binary;
}

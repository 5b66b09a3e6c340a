import { execFile } from 'node:child_process';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { defineBenchmark } from '@ashlar/conformance/benchmark';

const packages = fileURLToPath(new URL('../../../packages', import.meta.url)), run = promisify(execFile);

interface Manifest { readonly name: string; readonly private?: boolean; readonly exports?: Readonly<Record<string, unknown>>; readonly dependencies?: Readonly<Record<string, string>> }
const manifestOf = (folder: string): Manifest => JSON.parse(readFileSync(join(packages, folder, 'package.json'), 'utf8')) as Manifest;
const manifests = new Map(readdirSync(packages).flatMap((folder): [string, Manifest & { readonly folder: string }][] => {
  try {
    const manifest = manifestOf(folder);
    return manifest.private === true || !('.' in (manifest.exports ?? {})) ? [] : [[manifest.name, { ...manifest, folder }]];
  } catch { return []; }
}));

/** The package and every package of the repository that it needs. */
function withDependencies(name: string, found = new Set<string>()): Set<string> {
  if (manifests.has(name) && !found.has(name)) {
    found.add(name);
    for (const dependency of Object.keys(manifests.get(name)!.dependencies ?? {})) withDependencies(dependency, found);
  }
  return found;
}

const pnpm = process.env['npm_execpath'] ?? '', pnpmCommand = /pnpm\.[cm]?js$/.test(pnpm) ? [process.execPath, pnpm] : ['pnpm'];
const work = ((): (() => string) => {
  let folder: string | undefined;
  return () => {
    if (folder === undefined) {
      const made = folder = mkdtempSync(join(tmpdir(), 'ashlar-install-'));
      process.once('exit', () => rmSync(made, { recursive: true, force: true }));
    }
    return folder;
  };
})();
const packed = new Map<string, Promise<string>>();
/** The package as it would be published. */
function tarball(name: string): Promise<string> {
  const pack = async (): Promise<string> => {
    const [command, ...before] = pnpmCommand as [string, ...string[]], folder = mkdtempSync(join(work(), 'packed-'));
    await run(command, [...before, 'pack', '--pack-destination', folder], { cwd: join(packages, manifests.get(name)!.folder) });
    return join(folder, readdirSync(folder)[0]!);
  };
  if (!packed.has(name)) packed.set(name, pack());
  return packed.get(name)!;
}

const bytesOf = (path: string): number => {
  const stats = lstatSync(path);
  return stats.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + bytesOf(join(path, name)), 0) : stats.size;
};

/** Installs into an empty folder with npm, as a user would, and returns the folder. */
async function install(name: string): Promise<string> {
  const files = Object.fromEntries(await Promise.all([...withDependencies(name)].map(async (one) => [one, `file:${await tarball(one)}`] as const)));
  const folder = mkdtempSync(join(work(), 'installed-'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module', dependencies: files }));
  await run('npm', ['install', '--prefer-offline', '--omit=peer', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder });
  return folder;
}

export const benchmarks = [defineBenchmark({
  suite: 'install', name: 'install', description: 'npm installs a packed package, with all that it needs, into an empty folder; what was downloaded before is taken from the cache of npm.',
  parameters: { package: [...manifests.keys()] },
  prepare({ package: name }) {
    let figures: Record<string, number> = {};
    return {
      async check() {
        const folder = await install(name), modules = join(folder, 'node_modules');
        const { packages: locked } = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')) as { packages: Readonly<Record<string, unknown>> };
        figures = { ownBytes: bytesOf(join(modules, name)), allBytes: bytesOf(modules), dependencies: Object.keys(locked).length - 2 };
        if (name !== '@ashlar/conformance') await run(process.execPath, ['--input-type=module', '--eval', `await import(${JSON.stringify(name)});`], { cwd: folder });
        rmSync(folder, { recursive: true });
      },
      async run() { rmSync(await install(name), { recursive: true }); },
      figures: () => figures,
    };
  },
})];

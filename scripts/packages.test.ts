import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly type: string;
  readonly sideEffects?: boolean;
  readonly files: readonly string[];
  readonly exports: Readonly<Record<string, string | { readonly source: string; readonly types: string; readonly default: string }>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

const read = (folder: string) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
const packages = readdirSync(join(root, 'packages')).map((name) => join(root, 'packages', name)).filter((folder) => existsSync(join(folder, 'package.json')))
  .map((folder) => ({ name: read(folder).name, folder, manifest: read(folder) }));

describe.each(packages)('$name', ({ folder, manifest }) => {
  test('its manifest is that of a package of ours', () => {
    expect(manifest).toMatchObject({ license: 'MIT', type: 'module', sideEffects: false, files: expect.arrayContaining(['dist']) });
    expect(existsSync(join(folder, 'README.md'))).toBe(true);
    for (const [dependency, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
      expect(`${dependency} ${version}`).toMatch(dependency.startsWith('@ashlar/') ? / workspace:\*$/ : / (catalog:|\d+\.\d+\.\d+(-[\w.]+)?)$/);
    }
  });

  test.skipIf(!existsSync(join(folder, 'src')))('each entry is built, typed, and can be imported without a GPU', () => {
    for (const entry of Object.values(manifest.exports)) {
      if (typeof entry === 'string') {
        expect(`${entry} ${existsSync(join(folder, entry))}`).toBe(`${entry} true`);
        continue;
      }
      const { source, types, default: compiled } = entry;
      expect(`${source} ${existsSync(join(folder, source))}`).toBe(`${source} true`);
      expect(`${types} is ${existsSync(join(folder, types)) ? 'built' : 'not built: run pnpm build'}`).toBe(`${types} is built`);
      if (manifest.peerDependencies?.vitest) continue; // a test kit: vitest refuses to be imported outside its own processes
      const { stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', `await import(${JSON.stringify(join(folder, compiled))})`], { encoding: 'utf8' });
      expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    }
  });

  test.skipIf(!existsSync(join(folder, 'dist')))('nothing of its tests is shipped', () => {
    const shipped = readdirSync(join(folder, 'dist'), { recursive: true, encoding: 'utf8' });
    expect(shipped.filter((file) => /\.test\./.test(file))).toEqual([]);
  });
});

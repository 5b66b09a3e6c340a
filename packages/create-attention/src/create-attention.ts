import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { NameError, namesOf } from './names.js';
import { renamed, templateFiles } from './template.js';

export interface CreatedAttention { readonly folder: string; readonly files: readonly string[] }

type Versions = Readonly<Record<string, string>>;
interface Manifest { readonly name: string; readonly dependencies: Versions; readonly peerDependencies: Versions; readonly devDependencies: Versions }

/** The versions that this release was made and tested with: those of its own manifest, in which packing replaces the workspace's. */
function releasedVersions(): Versions {
  const { devDependencies } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as Manifest;
  return devDependencies;
}

/** The template's manifest with a version for each dependency: of Ashlar any that is compatible, of tools this very one. */
function manifestOf(template: string, packageName: string, released: Versions): string {
  const manifest = JSON.parse(template) as Manifest;
  const versions = (names: Versions): Versions => Object.fromEntries(Object.keys(names).map((name) => {
    const version = released[name];
    if (version === undefined || !/^\d/.test(version)) throw new Error(`no version of ${name} is known: run the published package (npm create ashlar-attention), not its sources`);
    return [name, name.startsWith('@ashlar/') || name === 'zod' ? `^${version}` : version];
  }));
  return `${JSON.stringify({ ...manifest, name: packageName, dependencies: versions(manifest.dependencies), peerDependencies: versions(manifest.peerDependencies), devDependencies: versions(manifest.devDependencies) }, null, 2)}\n`;
}

/**
 * Writes a package with an attention variant into the folder `NAME` of `parent`. All of it or nothing: it is written beside
 * and renamed.
 * @param name In kebab-case, with a scope or without.
 * @throws {NameError} where the name cannot be, or the folder holds something.
 */
export function createAttention(name: string, parent: string, released = releasedVersions()): CreatedAttention {
  const names = namesOf(name), folder = resolve(parent, names.file), files = renamed(templateFiles(), names);
  if (existsSync(folder) && readdirSync(folder).length > 0) throw new NameError(`${folder} is there already and is not empty; choose another name, or another place`);
  files.set('package.json', manifestOf(files.get('package.json')!, names.package, released));
  const draft = mkdtempSync(join(resolve(parent), `.${names.file}-`));
  try {
    for (const [path, text] of files) {
      const file = join(draft, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    if (existsSync(folder)) rmdirSync(folder);
    renameSync(draft, folder);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    throw error;
  }
  return { folder, files: [...files.keys()] };
}

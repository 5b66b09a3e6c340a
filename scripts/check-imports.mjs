// The import rules of the house: lower rows never import higher rows; every import is declared; what runs in browsers
// imports no Node module; relative imports stay inside their package and name the compiled file.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What each package may import besides itself, and with that whatever those may import. Apps may import anything. */
export const mayImport = {
  tensor: [],
  wasm: ['tensor'],
  webgpu: ['tensor'],
  'webgpu-node': ['webgpu'],
  nn: ['tensor'],
  norm: ['nn'],
  positional: ['nn'],
  attention: ['nn'],
  models: ['nn', 'norm', 'positional', 'attention'],
  optim: ['nn'],
  text: ['tensor'],
  hub: ['models', 'text'],
  generate: ['models', 'text'],
  quantize: ['models'],
  distributed: ['models', 'optim'],
  train: ['models', 'optim', 'text'],
  page: [],
  conformance: ['nn'],
  'create-attention': [],
};

/** Packages that run in Node alone. Elsewhere Node modules belong in src/node.ts and src/node/. */
const nodePackages = new Set(['webgpu-node', 'create-attention']);

/** Everything that `name` may import. @param {string} name @returns {Set<string>} */
export function allowed(name, table = /** @type {Record<string, string[]>} */ (mayImport)) {
  const found = new Set();
  const visit = (/** @type {string} */ one) => {
    for (const lower of table[one] ?? []) if (!found.has(lower)) { found.add(lower); visit(lower); }
  };
  visit(name);
  return found;
}

const importPattern = /(?:^|[;\n}])\s*(?:import|export)\b(?:[^'";=]*?\bfrom)?\s*(['"])([^'"\n]+)\1|\b(import)\(\s*(['"])([^'"\n]+)\4\s*\)/g;

/** The specifiers that a source imports. @param {string} source */
export function importsOf(source) {
  const code = source.replace(/\/\*[\s\S]*?\*\/|(^|\s)\/\/[^\n]*/g, '$1');
  return [...code.matchAll(importPattern)].map((match) => ({ specifier: /** @type {string} */ (match[2] ?? match[5]), dynamic: match[3] !== undefined }));
}

/**
 * What is wrong with the imports of one file; nothing where all is well.
 * @param {{ group: string, name: string, file: string, source: string, manifest: { dependencies?: object, devDependencies?: object, peerDependencies?: object } }} input
 *   `file` is relative to the package, with forward slashes.
 */
export function importProblems({ group, name, file, source, manifest }) {
  const problems = [];
  const isTest = /\.test\.ts$|(^|\/)(test|bench|fixtures)\//.test(file) || !file.startsWith('src/');
  const declared = { ...manifest.dependencies, ...manifest.peerDependencies, ...(isTest || group === 'apps' ? manifest.devDependencies : {}) };
  const inNode = group === 'apps' || nodePackages.has(name) || /^src\/node(\.ts$|\/)/.test(file) || isTest;
  const lower = allowed(name);
  for (const { specifier, dynamic } of importsOf(source)) {
    const at = `${group}/${name}/${file}: imports ${specifier}`;
    if (specifier.startsWith('.')) {
      const depth = file.split('/').length - 1;
      const up = specifier.split('/').filter((part) => part === '..').length;
      if (!isTest && up > depth - 1) problems.push(`${at}: relative imports stay inside src of their package`);
      if (!/\.(js|mjs|json)$/.test(specifier)) problems.push(`${at}: relative imports name the compiled file and end with .js`);
    } else if (specifier.startsWith('node:')) {
      if (!inNode && !dynamic) problems.push(`${at}: the package runs in browsers: Node modules belong in src/node.ts or src/node/`);
    } else {
      const imported = specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
      const ours = imported.startsWith('@ashlar/') ? imported.slice('@ashlar/'.length) : undefined;
      if (ours !== undefined && ours !== name && group === 'packages' && !isTest && !lower.has(ours)) {
        problems.push(`${at}: ${name} may import ${[...lower].join(', ') || 'nothing'}`);
      }
      const known = isTest && (imported === 'vitest' || imported === 'fast-check' || ours !== undefined); // the root brings these to every test
      if (ours !== name && !known && !(imported in declared)) problems.push(`${at}: package.json does not declare it`);
    }
  }
  return problems;
}

/** Every problem of the repository at `root`. @param {string} root */
export function repositoryProblems(root) {
  const problems = [];
  for (const group of ['packages', 'apps']) {
    for (const name of readdirSync(join(root, group))) {
      const folder = join(root, group, name);
      if (!existsSync(join(folder, 'package.json'))) continue;
      if (group === 'packages' && !(name in mayImport)) problems.push(`packages/${name}: has no row in scripts/check-imports.mjs`);
      const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      for (const path of [...sources(join(folder, 'src')), ...sources(join(folder, 'bench'))]) {
        const file = relative(folder, path).split(sep).join('/');
        problems.push(...importProblems({ group, name, file, source: readFileSync(path, 'utf8'), manifest }));
      }
    }
  }
  return problems;
}

/** @param {string} folder @returns {string[]} */
function sources(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile() && one.name.endsWith('.ts')).map((one) => join(one.parentPath, one.name));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problems = repositoryProblems(fileURLToPath(new URL('..', import.meta.url)));
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
}

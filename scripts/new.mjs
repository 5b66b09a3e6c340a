// pnpm new attention NAME: writes an attention variant into @ashlar/attention, with its reference, test, benchmark, line of
// the catalogue and section of the docs. It passes type check, lint and tests as it is; change it from there.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root, run, runScript, StepError } from './steps.mjs';

const attention = 'packages/attention', exportsFile = `${attention}/src/index.ts`, catalogueFile = 'packages/models/src/catalogue/attention.ts';
const read = (/** @type {string} */ file) => readFileSync(join(root, file), 'utf8');

/** @param {string} path @returns {Promise<typeof import('../packages/create-attention/src/index.js')>} */
async function built(path) {
  if (!existsSync(join(root, path))) throw new StepError(`${path} is not built: run pnpm build, and the same command again.`);
  return import(new URL(`../${path}`, import.meta.url).href);
}

/** Imports from the package itself as imports of its files. @param {string} source @param {string} index Its index. */
function importsOfFiles(source, index) {
  const files = new Map([...index.matchAll(/^export (type )?\{ ([^}]+) \} from '([^']+)';$/gm)]
    .flatMap(([, type, names, file]) => names.split(', ').map((one) => [one.replace(/^type /, ''), { file, type: type !== undefined }])));
  return source.replace(/^import \{ ([^}]+) \} from '@ashlar\/attention';$/m, (_, /** @type {string} */ names) => {
    const byFile = new Map();
    for (const one of names.split(', ')) {
      const { file } = files.get(one.replace(/^type /, ''));
      byFile.set(file, [...byFile.get(file) ?? [], one]);
    }
    return [...byFile].map(([file, own]) => (own.every((one) => one.startsWith('type ')) ? `import type { ${own.map((one) => one.slice(5)).join(', ')} } from '${file}';` : `import { ${own.join(', ')} } from '${file}';`)).join('\n');
  });
}

/** @param {string} text @param {string} anchor @param {string} replacement @param {string} file */
function replacedOnce(text, anchor, replacement, file) {
  if (text.split(anchor).length !== 2) throw new StepError(`${file}: ${JSON.stringify(anchor)} should stand there once; the file has changed its form, and scripts/new.mjs must follow.`);
  return text.replace(anchor, () => replacement);
}

/** Every file that is written, by its path, with what it will hold. @param {string} given */
async function filesOf(given) {
  const { namesOf, renamed, templateFiles } = await built('packages/create-attention/dist/index.js');
  if (given.includes('/')) throw new StepError(`a variant of this repository has no scope, got ${given}`);
  const names = namesOf(given), template = renamed(templateFiles(), names), index = read(exportsFile), catalogue = read(catalogueFile);
  const paths = { variant: `src/${names.file}.ts`, test: `src/${names.file}.test.ts`, reference: `src/test/${names.file}-reference.ts`, benchmark: `bench/${names.file}.bench.ts` };
  for (const path of Object.values(paths)) if (existsSync(join(root, attention, path))) throw new StepError(`${attention}/${path} is there already; choose another name.`);
  if (new RegExp(`\\b(${names.camel}|${names.pascal}Options)\\b`).test(index) || new RegExp(`^ +${names.camel}: `, 'm').test(read('packages/models/src/catalogue/mixer.ts') + catalogue)) throw new StepError(`@ashlar/attention exports a ${names.camel} already; choose another name.`);

  const text = (/** @type {string} */ path) => /** @type {string} */ (template.get(path));
  const files = new Map([
    [`${attention}/${paths.variant}`, importsOfFiles(text(paths.variant), index)],
    [`${attention}/${paths.test}`, text(paths.test)],
    [`${attention}/${paths.reference}`, text(paths.reference)],
    [`${attention}/${paths.benchmark}`, text(paths.benchmark).replace("import { multiHead } from '@ashlar/attention';", `import { ${names.camel}, multiHead } from '@ashlar/attention';`).replace(/^import .* from '\.\.\/src\/.*';\n/m, '')],
  ]);
  files.set(exportsFile, replacedOnce(index, "export type { FeatureMapName }", `export { ${names.camel}, type ${names.pascal}Options } from './${names.file}.js';\nexport type { FeatureMapName }`, exportsFile));
  const [, described] = /** @type {RegExpExecArray} */ (/^ +(summary: .*,)$/m.exec(text('src/parts.ts')));
  const entry = [
    `  ${names.camel}: attention({`, `    ${described}`,
    "    options: { ...heads, windowKeys: count().describe('How many keys a query sees, itself included.'), fade: z.number().describe('By how much a score falls for each token that stands between key and query.'), ...softmax, ...norms },",
    `    example: { heads: 2, windowKeys: 3, fade: 0.5 }, create: (options) => ${names.camel}(options),`, '  }),',
  ].join('\n');
  const withEntry = replacedOnce(catalogue, '\n  ...mixers,\n', `\n${entry}\n  ...mixers,\n`, catalogueFile);
  files.set(catalogueFile, withEntry.replace(/^import \{ ([^}]+) \} from '@ashlar\/attention';$/m, (_, /** @type {string} */ imported) => {
    const all = imported.split(', '), types = all.filter((one) => one.startsWith('type '));
    return `import { ${[...all.filter((one) => !one.startsWith('type ')), names.camel].sort().concat(types).join(', ')} } from '@ashlar/attention';`;
  }));
  return files;
}

/** Where stands what is made from the catalogue, and the tests that make it. */
const made = ['docs/components', 'packages/models/schema', 'apps/trainer/schema'];
const makers = ['packages/models/src/schema.test.ts', 'packages/models/src/component-pages.test.ts', 'apps/trainer/src/config/schema.test.ts', '-t', 'writes it anew', '-u'];

await runScript(async () => {
  const [kind, name, ...others] = process.argv.slice(2);
  if (kind !== 'attention' || name === undefined || others.length > 0) throw new StepError('pnpm new attention NAME: NAME in lower-case words with hyphens between them, such as my-attention.');
  const files = await filesOf(name).catch((error) => { throw error.name === 'NameError' ? new StepError(error.message) : error; });
  const touched = [...files.keys(), ...made.flatMap((folder) => readdirSync(join(root, folder)).map((file) => `${folder}/${file}`))];
  const before = new Map(touched.map((file) => [file, existsSync(join(root, file)) ? read(file) : undefined]));
  try {
    for (const [file, text] of files) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), text);
    }
    await run(process.execPath, [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', '--root', root, ...makers]);
  } catch (error) {
    for (const [file, text] of before) if (text === undefined) rmSync(join(root, file), { force: true }); else writeFileSync(join(root, file), text);
    throw error;
  }
  console.log(`${[...files.keys()].map((file) => `${before.get(file) === undefined ? 'new    ' : 'changed'} ${file}`).join('\n')}\nmade    ${made.join(', ')}\n`);
  console.log(`npx vitest run ${attention}/src/${name}.test.ts\npnpm build && pnpm bench variants\ndocs/guides/new-attention.md tells how to go on; pnpm changeset says what is new.`);
});

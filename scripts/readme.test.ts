import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const generated = join(root, '.cache', 'readme');

/** A block marked `ts browser` is type-checked and not run. `printed`: the block of text after it, which it must print. */
interface Example { readonly name: string; readonly file: string; readonly source: string; readonly runs: boolean; readonly printed?: string }

/** The source that an exported entry of a package is made from, as seen from a generated file. */
function sourceOf(specifier: string, file: string): string {
  const [, name, entry] = /^@ashlar\/([^/]+)(\/.+)?$/.exec(specifier) ?? [];
  const { exports } = JSON.parse(readFileSync(join(root, 'packages', name!, 'package.json'), 'utf8')) as { exports: Record<string, { source: string }> };
  return relative(dirname(file), join(root, 'packages', name!, exports[`.${entry ?? ''}`]!.source.replace(/\.ts$/, '.js'))).split(sep).join('/');
}

/** An example as a module: packages by their sources; a line with `// throws: MESSAGE` must throw an error with that message. */
function runnable(block: string, file: string): string {
  const imports = block.replace(/from '(@ashlar\/[^']+)'/g, (_, specifier: string) => `from '${sourceOf(specifier, file)}'`);
  return `${imports.replace(/^(.*;) +\/\/ throws: (.*)$/gm, (_, code: string, message: string) => {
    const wanted = JSON.stringify(message.trim());
    return `try { ${code} throw new Error('it did not throw'); } catch (error) { if ((error as Error).message !== ${wanted}) throw error; }`;
  })}\nexport {};\n`;
}

/** The examples of a page. A block whose first line is a comment with a path, such as `// src/mine.ts`, is that file for the others. */
function examplesOf(name: string, page: string, folder: string): Example[] {
  return [...readFileSync(page, 'utf8').matchAll(/^```ts( browser)?\n(?:\/\/ (\S+\.ts)\n)?([\s\S]*?)^```$(?:\n\n^```text\n([\s\S]*?)^```$)?/gm)].map(([, browser, path, block, printed], index) => {
    const file = join(folder, path ?? `${name}-${index + 1}.ts`);
    return { name: `${name} ${path ?? index + 1}`, file, source: runnable(block!, file), runs: !browser && name !== 'conformance', ...(printed === undefined ? {} : { printed }) }; // conformance: its examples define tests
  });
}

const pages = (folder: string): string[] => readdirSync(join(root, folder));
const examples: Example[] = [
  ...pages('packages').map((name) => [name, join(root, 'packages', name, 'README.md')] as const).filter(([, readme]) => existsSync(readme)).flatMap(([name, readme]) => examplesOf(name, readme, generated)),
  ...pages('docs/guides').flatMap((page) => examplesOf(page.replace('.md', ''), join(root, 'docs/guides', page), join(generated, page.replace('.md', '')))),
];
rmSync(generated, { recursive: true, force: true });
mkdirSync(generated, { recursive: true });
symlinkSync(join(root, 'packages/create-attention/node_modules'), join(generated, 'node_modules'), 'junction'); // what packages of one's own have
for (const { file, source } of examples) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, source);
}

const before = process.cwd();
let folder: string;
beforeAll(() => {
  writeFileSync(join(generated, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.base.json', include: ['**/*.ts'] }));
  folder = mkdtempSync(join(tmpdir(), 'ashlar-readme-'));
  writeFileSync(join(folder, 'book.txt'), 'It was the best of times, it was the worst of times.\n'.repeat(40));
  cpSync(join(root, 'packages/hub/fixtures/gpt2'), join(folder, 'gpt2'), { recursive: true });
  process.chdir(folder);
});
afterAll(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true, force: true });
});

describe('the examples of the readmes', () => {
  test('type-check', () => {
    expect(examples.length).toBeGreaterThan(0);
    const { stdout } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', generated], { encoding: 'utf8', cwd: root });
    expect(stdout.split('\n').filter((line) => line.startsWith('.cache/'))).toEqual([]);
  });

  const isTest = ({ file }: Example): boolean => file.endsWith('.test.ts');
  test.each(examples.filter((one) => one.runs && !isTest(one)))('$name runs', async ({ file, printed }) => {
    const log = vi.spyOn(console, 'log');
    await import(/* @vite-ignore */ file);
    const lines = log.mock.calls.map((words) => words.join(' ')).join('\n');
    log.mockRestore();
    if (printed !== undefined) expect(lines).toBe(printed.trimEnd());
  });
  describe.each(examples.filter(isTest))('$name', async ({ file }) => { await import(/* @vite-ignore */ file); });
});

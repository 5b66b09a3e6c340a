import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const generated = join(root, '.cache', 'readme');

/** A block marked `ts browser` is type-checked and not run. */
interface Example { readonly name: string; readonly file: string; readonly source: string; readonly runs: boolean }

/** The source that an exported entry of a package is made from, as seen from the generated files. */
function sourceOf(specifier: string): string {
  const [, name, entry] = /^@ashlar\/([^/]+)(\/.+)?$/.exec(specifier) ?? [];
  const { exports } = JSON.parse(readFileSync(join(root, 'packages', name!, 'package.json'), 'utf8')) as { exports: Record<string, { source: string }> };
  return `../../packages/${name}/${exports[`.${entry ?? ''}`]!.source.replace('./', '').replace(/\.ts$/, '.js')}`;
}

/** An example as a module: packages by their sources; a line with `// throws: MESSAGE` must throw an error with that message. */
function runnable(block: string): string {
  const imports = block.replace(/from '(@ashlar\/[^']+)'/g, (_, specifier: string) => `from '${sourceOf(specifier)}'`);
  return `${imports.replace(/^(.*;) +\/\/ throws: (.*)$/gm, (_, code: string, message: string) => {
    const wanted = JSON.stringify(message.trim());
    return `try { ${code} throw new Error('it did not throw'); } catch (error) { if ((error as Error).message !== ${wanted}) throw error; }`;
  })}\nexport {};\n`;
}

const examples: Example[] = readdirSync(join(root, 'packages')).flatMap((name) => {
  const readme = join(root, 'packages', name, 'README.md');
  if (!existsSync(readme)) return [];
  return [...readFileSync(readme, 'utf8').matchAll(/^```ts( browser)?\n([\s\S]*?)^```$/gm)].map(([, browser, block], index) => ({
    name: `${name} ${index + 1}`,
    file: join(generated, `${name}-${index + 1}.ts`),
    source: runnable(block!),
    runs: !browser && name !== 'conformance', // the kit's examples define tests
  }));
});

const before = process.cwd();
let folder: string;
beforeAll(() => {
  rmSync(generated, { recursive: true, force: true });
  mkdirSync(generated, { recursive: true });
  for (const { file, source } of examples) writeFileSync(file, source);
  writeFileSync(join(generated, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.base.json', include: ['*.ts'] }));
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

  test.each(examples.filter(({ runs }) => runs))('$name runs', async ({ file }) => {
    await import(/* @vite-ignore */ file);
  });
});

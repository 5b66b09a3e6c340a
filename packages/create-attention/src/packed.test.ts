// From packed tarballs, as from a registry: the command writes a package, which installs, type-checks, passes its tests, is built and bundled.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url)), packed = ['tensor', 'nn', 'norm', 'positional', 'attention', 'models', 'conformance', 'wasm', 'create-attention'];

function run(cwd: string, program: string, ...words: string[]): { code: number | null; output: string } {
  const { status, stdout, stderr, error } = spawnSync(program, words, { cwd, encoding: 'utf8', env: { ...process.env, CI: '', NODE_OPTIONS: '', VITEST: '' } });
  return { code: status, output: `${stdout}${stderr}${error?.message ?? ''}` };
}
function succeeds(cwd: string, program: string, ...words: string[]): string {
  const { code, output } = run(cwd, program, ...words);
  expect(code, `${program} ${words.join(' ')}\n${output}`).toBe(0);
  return output;
}

/** Where a dependency that is no package of ours is installed in this workspace, so that no registry is asked. */
function installed(name: string, from: string): string {
  let folder = dirname(createRequire(join(root, 'packages', from, 'package.json')).resolve(name === '@types/node' ? `${name}/package.json` : name));
  while (!existsSync(join(folder, 'package.json')) || (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: string }).name !== name) folder = dirname(folder);
  return folder;
}

describe('create-ashlar-attention, packed', () => {
  let place: string, folder: string;
  beforeAll(() => {
    place = mkdtempSync(join(tmpdir(), 'ashlar-packed-'));
    succeeds(root, 'pnpm', '-r', ...packed.flatMap((name) => ['--filter', `./packages/${name}`]), 'pack', '--pack-destination', place);
    const tarballs = readdirSync(place), tarball = (name: string): string => join(place, tarballs.find((file) => file.startsWith(name))!);
    mkdirSync(join(place, 'tool'));
    writeFileSync(join(place, 'tool', 'package.json'), '{ "private": true }');
    succeeds(join(place, 'tool'), 'pnpm', 'add', '--offline', tarball('create-ashlar-attention'));
    succeeds(place, join(place, 'tool', 'node_modules', '.bin', 'create-ashlar-attention'), 'far-sight');
    folder = join(place, 'far-sight');
    const others = [['vitest', 'create-attention'], ['typescript', 'create-attention'], ['@types/node', 'create-attention'], ['zod', 'models'], ['fastest-levenshtein', 'models'], ['fast-check', 'conformance']] as const;
    writeFileSync(join(folder, 'pnpm-workspace.yaml'), ['overrides:',
      ...packed.filter((name) => name !== 'create-attention').map((name) => `  '@ashlar/${name}': 'file:${tarball(`ashlar-${name}-`)}'`),
      ...others.map(([name, from]) => `  '${name}': 'link:${installed(name, from)}'`), ''].join('\n'));
    succeeds(folder, 'pnpm', 'install', '--offline');
  });
  afterAll(() => rmSync(place, { recursive: true, force: true }));

  test('type-checks and passes its own tests', () => {
    succeeds(folder, 'npm', 'run', 'check');
    expect(succeeds(folder, 'npm', 'test')).toMatch(/Test Files .*2 passed/);
  });

  test('its tests fail where the variant is wrong', () => {
    const file = join(folder, 'src', 'far-sight.ts'), right = readFileSync(file, 'utf8');
    writeFileSync(file, right.replace('.lt(windowKeys)', '.le(windowKeys)'));
    const { code, output } = run(folder, process.execPath, join(installed('vitest', 'create-attention'), 'vitest.mjs'), 'run', '-t', 'values of the reference at length 7');
    writeFileSync(file, right);
    expect(code).toBe(1);
    expect(output).toContain('output: element ');
  });

  test('is built, and bundled without the attention that it does not use', async () => {
    succeeds(folder, 'npm', 'run', 'build');
    const program = join(folder, 'program.js');
    writeFileSync(program, "import { farSight } from './dist/index.js';\nconsole.log(JSON.stringify(farSight({ heads: 2, windowKeys: 8, fade: 0.1 }).capabilities.cache));\n");
    await build({ configFile: false, logLevel: 'silent', root: folder, build: { outDir: join(folder, 'bundle'), target: 'es2022', minify: false, modulePreload: false, rollupOptions: { input: program, output: { entryFileNames: 'program.mjs' } } } });
    const bundle = join(folder, 'bundle', 'program.mjs'), text = readFileSync(bundle, 'utf8');
    expect(succeeds(folder, process.execPath, bundle)).toBe('true\n');
    expect(text).toContain('farSight: fade must be a number');
    for (const other of ['mamba2', 'longformer', 'strictObject']) expect(text).not.toContain(other);
  });

  test('the command refuses what it cannot write', () => {
    const bin = join(place, 'tool', 'node_modules', '.bin', 'create-ashlar-attention');
    expect(run(place, bin, 'far-sight')).toMatchObject({ code: 2, output: expect.stringContaining('error: ') as string });
    expect(run(place, bin)).toMatchObject({ code: 2, output: 'error: one name is wanted, got none: npm create ashlar-attention@latest my-attention\n' });
    expect(run(place, bin, '--hlep', 'x').output).toContain("error: Unknown option '--hlep'");
    expect(run(place, bin, '--help')).toMatchObject({ code: 0, output: expect.stringContaining('npm create ashlar-attention@latest NAME') as string });
    expect(readdirSync(place).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});

// `pnpm new attention NAME` in a copy of the tree: what it writes passes type check, lint, import rules and its tests as it is.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');

describe('pnpm new attention', () => {
  let copy: string;
  const run = (...words: string[]): { status: number | null; output: string } => {
    const { status, stdout, stderr } = spawnSync(process.execPath, words, { cwd: copy, encoding: 'utf8', env: { ...process.env, CI: '', VITEST: '', NO_COLOR: '1', FORCE_COLOR: '' } });
    return { status, output: `${stdout}${stderr}` };
  };
  const create = (...words: string[]) => run('scripts/new.mjs', ...words);
  const tool = (...path: string[]): string => join(copy, 'node_modules', ...path);
  const read = (file: string): string => readFileSync(join(copy, file), 'utf8');
  const sources = (): Record<string, string> => Object.fromEntries(['packages/attention', 'packages/models', 'docs/components', 'apps/trainer/schema'].flatMap((folder) => readdirSync(join(copy, folder), { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile() && !one.parentPath.includes('node_modules')).map((one) => join(one.parentPath, one.name)).map((file) => [file, readFileSync(file, 'utf8')])));

  beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), 'ashlar-new-'));
    const kept = join('packages', 'create-attention', 'dist');
    for (const name of readdirSync(root).filter((one) => !['node_modules', '.git', '.cache', '.turbo', 'runs'].includes(one))) {
      cpSync(join(root, name), join(copy, name), { recursive: true, verbatimSymlinks: true, filter: (file) => { const path = relative(root, file); return !/(^|[/\\])(dist|\.turbo)$/.test(path) || path === kept; } });
    }
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction');
  });
  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  test.each<[string[], string]>([
    [[], 'pnpm new attention NAME: NAME in lower-case words'], [['norm', 'my-norm'], 'pnpm new attention NAME'], [['attention', 'FarSight'], 'such as far-sight, got "FarSight"'], [['attention', '@me/x'], 'a variant of this repository has no scope'],
    [['attention', 'multi-head'], '"multiHead" stands for something else'], [['attention', 'top-k'], 'packages/attention/src/top-k.ts is there already'],
  ])('%j is refused, and nothing is written', (words, message) => {
    const before = sources(), { status, output } = create(...words);
    expect(status).toBe(1);
    expect(output).toContain(message);
    expect(sources()).toEqual(before);
  });

  test('what fails is taken back', () => {
    const broken = join(copy, 'apps/trainer/src/config/schema.ts'), right = readFileSync(broken, 'utf8');
    writeFileSync(broken, `${right}\nthrow new Error('broken');\n`);
    const before = sources(), { status, output } = create('attention', 'far-sight');
    writeFileSync(broken, right);
    expect({ status, output }).toEqual({ status: 1, output: expect.stringContaining('Error: broken') as string });
    expect(sources()).toEqual(before);
  });

  test('a variant passes type check, lint, import rules and tests as it is written', () => {
    const { status, output } = create('attention', 'far-sight');
    expect(status, output).toBe(0);
    for (const file of ['src/far-sight.ts', 'src/far-sight.test.ts', 'src/test/far-sight-reference.ts', 'bench/far-sight.bench.ts']) expect(output).toContain(`new     packages/attention/${file}`);
    expect(read('packages/attention/src/far-sight.ts')).toContain("from './multi-head.js'");
    expect(read('docs/components/attention.md')).toContain('\n## farSight\n\n`softmax(scale · Q Kᵀ − fade · (q − k), over 0 ≤ q − k < windowKeys) V`\n');
    expect(read('apps/trainer/schema/config.schema.json')).toContain('"const": "farSight"');

    mkdirSync(join(copy, 'check'));
    writeFileSync(join(copy, 'check', 'tsconfig.json'), JSON.stringify({ extends: '../tsconfig.base.json', include: ['../packages/attention/src', '../packages/attention/bench', '../packages/models/src/index.ts'] }));
    for (const [name, ...words] of [['types', tool('typescript', 'bin', 'tsc'), '-p', 'check'], ['lint', tool('oxlint', 'bin', 'oxlint'), '--deny-warnings', 'packages/attention', 'packages/models'], ['imports', 'scripts/check-imports.mjs']] as const) {
      const checked = run(...words);
      expect(checked.status, `${name}: ${checked.output}`).toBe(0);
    }
    writeFileSync(join(copy, 'packages/attention/src/far-sight-bench.test.ts'), `
import { wasm } from '@ashlar/wasm';
import { expect, test } from 'vitest';
import { benchmarks } from '../bench/far-sight.bench.js';
test('the benchmark', async () => {
  const device = await wasm();
  const place = { kind: 'wasm' as const, threads: 1, device: async () => device, openDevice: async () => wasm() };
  for (const variant of benchmarks[0]!.parameters['variant']!) for (const pass of ['forward', 'training']) {
    const one = await benchmarks[0]!.prepare({ variant, pass, tokens: 160 }, place);
    await one.check();
    await one.run();
    await one.synchronise!();
  }
  expect(benchmarks[0]!.parameters['variant']).toEqual(['causal', 'farSight']);
  await device.close();
});
`);
    const tested = run(tool('vitest', 'vitest.mjs'), 'run', 'packages/attention/src/far-sight', 'packages/models/src/config.test.ts', 'packages/models/src/component-pages.test.ts', 'packages/models/src/schema.test.ts', 'apps/trainer/src/config/schema.test.ts', '-t', 'farSight|the benchmark|cannot be is refused|every part has|writes it anew');
    expect(tested.status, tested.output).toBe(0);
    expect(tested.output).toMatch(/Test Files .*6 passed/);
    expect(create('attention', 'far-sight').output).toContain('packages/attention/src/far-sight.ts is there already; choose another name.');
    expect(existsSync(join(copy, 'packages/attention/src/far-sight.ts'))).toBe(true);
  });
});

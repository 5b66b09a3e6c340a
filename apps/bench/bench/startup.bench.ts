import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { defineBenchmark } from '@ashlar/conformance/benchmark';

const packages = fileURLToPath(new URL('../../../packages', import.meta.url)), run = promisify(execFile);

interface Manifest { readonly exports?: Readonly<Record<string, unknown>> }
const names = readdirSync(packages).filter((name) => {
  try { return '.' in ((JSON.parse(readFileSync(join(packages, name, 'package.json'), 'utf8')) as Manifest).exports ?? {}); } catch { return false; }
});

const entry = (name: string): string => JSON.stringify(new URL(`../../../packages/${name}/dist/index.js`, import.meta.url).href);
/** Prints how long an import took, and 7 at the end. */
const importing = (name: string): string => `const started = performance.now(); await import(${entry(name)}); console.log(performance.now() - started, 7);`;
const programs: Readonly<Record<string, string>> = {
  'Node alone': 'console.log(0, 7);',
  ...Object.fromEntries(names.filter((name) => name !== 'conformance').map((name) => [`@ashlar/${name}`, importing(name)])),
  'first result on wasm': `
    const started = performance.now(), [{ tensor }, { wasm }] = await Promise.all([import(${entry('tensor')}), import(${entry('wasm')})]);
    const device = await wasm(), x = tensor([1, 2, 3, 4]).reshape([2, 2]), product = await x.matmul(x).data(device);
    console.log(performance.now() - started, product[0]);
    await device.close();`,
};

export const benchmarks = [defineBenchmark({
  suite: 'startup', name: 'startup', description: 'A process of Node that imports one package, or computes a first result, and ends. The import column leaves out what Node itself needs.',
  parameters: { program: Object.keys(programs) },
  prepare({ program }) {
    const importMs: number[] = [];
    const start = async (): Promise<number> => {
      const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', programs[program]!]), [ms, result] = stdout.trim().split(' ').map(Number);
      importMs.push(ms!);
      return result!;
    };
    return {
      async check() {
        const result = await start();
        if (result !== 7) throw new Error(`${program} printed ${result}, expected 7`);
      },
      async run() { await start(); },
      figures: () => ({ importMs: importMs.toSorted((a, b) => a - b)[importMs.length >> 1]! }),
    };
  },
})];

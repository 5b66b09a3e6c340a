/** `bench all`: everything that the readmes and the page show, one after the other. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { discover, repository } from './harness/discover.js';

/** Suites that are left out: `r0` and `r1` time the same steps, with their peers. */
const left = new Set(['step']);

/** Runs every suite on wasm in a process of its own, and with `save` stores all, then writes the readmes and the page. The exit code is 1 where one's is not 0. */
export async function runAll({ save }: { readonly save?: boolean }): Promise<void> {
  const suites = [...new Set((await discover([repository])).map(({ benchmark }) => benchmark.suite))].filter((suite) => !left.has(suite)).sort();
  const saved = save ? ['--save'] : [];
  const commands = [
    ['r0', '--peers', 'jax-js-wasm,tfjs-wasm,pytorch-1,pytorch-2', '--budget', '20', ...saved],
    ['r1', '--peers', 'pytorch-2', '--rounds', '5', '--budget', '20', ...saved],
    ['memory', '--steps', '500'],
    ...suites.map((suite) => [suite, '--rounds', suite === 'install' ? '2' : '7', ...saved]),
    ...(save ? [['readme'], ['page']] : []),
  ];
  const cli = fileURLToPath(new URL('cli.js', import.meta.url));
  for (const command of commands) {
    process.stderr.write(`bench ${command.join(' ')}\n`);
    if (spawnSync(process.execPath, [cli, ...command], { stdio: 'inherit' }).status !== 0) process.exitCode = 1;
  }
}

// npm test: everything set up and built, types, lint rules and import rules checked, and every test run.
// The last line says how many passed and failed; the three checks count as one each.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setup } from './setup.mjs';
import { root, run, runScript, runVisibly, step, StepError } from './steps.mjs';

const bin = (/** @type {string[]} */ ...path) => join(root, 'node_modules', ...path);
const checks = {
  types: [bin('typescript', 'bin', 'tsc'), '-p', 'tsconfig.json'],
  lint: [bin('oxlint', 'bin', 'oxlint'), '--deny-warnings'],
  imports: [join(root, 'scripts', 'check-imports.mjs')],
};

await runScript(async () => {
  const tally = { passed: 0, failed: 0 };
  try {
    const env = await setup();
    for (const [title, command] of Object.entries(checks)) await check(title, command, env, tally);
    await test(env, tally);
  } catch (error) {
    tally.failed++;
    console.error(error instanceof StepError ? error.message : error);
  }
  console.log(`${tally.passed} passed, ${tally.failed} failed`);
  return tally.failed === 0 ? 0 : 1;
});

/** @param {string} title @param {string[]} command @param {NodeJS.ProcessEnv} env @param {{ passed: number, failed: number }} tally */
async function check(title, command, env, tally) {
  try {
    await step(title, async () => { await run(process.execPath, command, { env }); });
    tally.passed++;
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    tally.failed++;
    console.error(error.message);
  }
}

/** @param {NodeJS.ProcessEnv} env @param {{ passed: number, failed: number }} tally */
async function test(env, tally) {
  const results = join(root, '.cache', 'tally.json');
  mkdirSync(join(root, '.cache'), { recursive: true });
  rmSync(results, { force: true });
  const reporter = join(root, 'scripts', 'tally-reporter.mjs');
  const code = await runVisibly(process.execPath,
    [bin('vitest', 'vitest.mjs'), 'run', '--reporter=default', `--reporter=${reporter}`, ...process.argv.slice(2)], { ...env, ASHLAR_TALLY: results });
  const { passed, failed, skipped } = existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : { passed: 0, failed: 0, skipped: [] };
  for (const { name, reason } of skipped) console.log(`skipped · ${name} · ${reason}`);
  tally.passed += passed;
  tally.failed += code !== 0 && failed === 0 ? 1 : failed;
}

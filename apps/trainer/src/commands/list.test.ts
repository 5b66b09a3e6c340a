import { expect, test } from 'vitest';
import { catalogue, type PartDescription, type PartKind } from '@ashlar/models';
import { main } from '../main.js';

/** Runs the command line inside this process. */
async function ashlar(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const written = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') => ({ isTTY: false, columns: 80, write: (text: string) => { written[name] += text; return true; } });
  const code = await main(words, { stdout: stream('stdout'), stderr: stream('stderr') });
  return { code, ...written };
}

test('list prints every part with its line and paper, family by family', async () => {
  const { code, stdout } = await ashlar('list');
  expect(code).toBe(0);
  for (const [kind, parts] of Object.entries(catalogue) as [PartKind, Record<string, { summary: string; paper: string }>][]) {
    expect(stdout).toMatch(new RegExp(`^${kind === 'feedForward' ? 'feed-forward' : kind}$`, 'm'));
    for (const [name, { summary, paper }] of Object.entries(parts)) {
      const lines = stdout.split('\n'), at = lines.findIndex((line) => line.startsWith(`  ${name} `) && line.endsWith(summary));
      expect(at, name).toBeGreaterThanOrEqual(0);
      expect(lines[at + 1]!.endsWith(paper), name).toBe(true);
    }
  }
});

test('list of one family, as text and as JSON', async () => {
  const text = await ashlar('list', 'feed-forward'), json = await ashlar('list', 'feed-forward', '--json');
  expect(text.stdout).toContain('mixtureOfExperts');
  expect(text.stdout).not.toContain('rotary');
  const parts = JSON.parse(json.stdout) as PartDescription[];
  expect(parts.map(({ name }) => name)).toEqual(Object.keys(catalogue.feedForward));
  expect(parts.find(({ name }) => name === 'mixtureOfExperts')).toEqual({ kind: 'feedForward', name: 'mixtureOfExperts', summary: catalogue.feedForward.mixtureOfExperts.summary, formula: 'Σ gate · expert(x), over the k experts with the greatest gates', paper: 'arXiv 2101.03961', capabilities: ['auxiliaryLoss'] });
  expect(JSON.parse((await ashlar('list', '--json')).stdout)).toHaveLength(Object.values(catalogue).reduce((sum, family) => sum + Object.keys(family).length, 0));
});

test('a family that is not there', async () => {
  expect(await ashlar('list', 'positionel')).toMatchObject({ code: 2, stdout: '', stderr: 'error: there is no family "positionel"; the families are attention, positional, norm, residual, feed-forward. Did you mean "positional"?\n' });
});

import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { reference } from '@ashlar/tensor/reference';
import { benchmarks } from '../bench/variants.bench.js';
import { componentPages } from '../scripts/component-pages.mjs';
import * as models from './index.js';

const folder = fileURLToPath(new URL('../../../docs/components/', import.meta.url)), pages = componentPages(models);

test.each([...pages])('docs/components/%s is that of the code (pnpm --filter @ashlar/models components writes it anew)', async (name, text) => {
  await expect(text).toMatchFileSnapshot(`${folder}${name}`);
});

test('every part has its row, formula, paper and capabilities', () => {
  expect(readdirSync(folder).sort()).toEqual([...pages.keys()].sort());
  for (const { kind, name, summary, formula, paper, capabilities } of models.describeCatalogue()) {
    const page = pages.get(`${kind === 'feedForward' ? 'feed-forward' : kind}.md`)!, row = page.split('\n').find((line) => line.startsWith(`| \`${name}\` |`))!;
    expect(paper, name).toMatch(/^(arXiv \d{4}\.\d{4,5}|unpublished)$/);
    expect(row.split(' | ').slice(1, 3), name).toEqual([summary, capabilities.join(', ') || 'none']);
    expect(row).toContain(paper.replace('arXiv ', ''));
    expect(formula, name).toMatch(/^[^`]+$/);
    expect(page).toContain(`\n## ${name}\n\n\`${formula}\`\n`);
  }
  for (const { problem } of models.pairProblems()) expect(pages.get('compatibility.md')).toContain(problem);
});

test('every part has its row in the benchmarks, for which a model can be made', async () => {
  const rows = benchmarks.flatMap(({ parameters }) => Object.entries(parameters).flatMap(([kind, names]) => names.map((name) => `${kind} ${String(name)}`)));
  expect(rows.sort()).toEqual(models.describeCatalogue().map(({ kind, name }) => `${kind} ${name}`).sort());
  const device = reference(), place = { kind: 'wasm', adapter: 'auto', threads: 1, device: async () => device, openDevice: async () => reference() } as const;
  for (const benchmark of benchmarks) for (const [kind, names] of Object.entries(benchmark.parameters)) for (const name of names) {
    const prepared = await benchmark.prepare({ [kind]: name }, place);
    expect(prepared.work, `${kind} ${String(name)}`).toEqual({ tokens: 4 * 128 });
    await prepared.release?.();
  }
});

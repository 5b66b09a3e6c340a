import { readFileSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { componentPages } from '../scripts/component-pages.mjs';
import * as models from './index.js';

const folder = new URL('../../../docs/components/', import.meta.url), pages = componentPages(models);

test.each([...pages])('docs/components/%s is that of the code', (name, text) => {
  expect(readFileSync(new URL(name, folder), 'utf8'), 'run: pnpm --filter @ashlar/models components').toBe(text);
});

test('pages are complete', () => {
  expect(readdirSync(folder).sort()).toEqual([...pages.keys()].sort());
  for (const { kind, name, paper } of models.describeCatalogue()) {
    const page = pages.get(`${kind === 'feedForward' ? 'feed-forward' : kind}.md`)!;
    expect(page).toContain(`| \`${name}\` |`);
    expect(page).toContain(paper.replace('arXiv ', ''));
  }
  for (const { problem } of models.pairProblems()) expect(pages.get('compatibility.md')).toContain(problem);
});

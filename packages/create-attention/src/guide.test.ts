import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { namesOf, renamed, templateFiles } from './index.js';

test('the code of the guide is what is written for a variant of its name', () => {
  const guide = readFileSync(new URL('../../../docs/guides/new-attention.md', import.meta.url), 'utf8'), files = renamed(templateFiles(), namesOf('fading-window'));
  const shown = [...guide.matchAll(/^```ts\n\/\/ (\S+\.ts)\n([\s\S]*?)^```$/gm)];
  expect(shown.length).toBe(5);
  for (const [, path, code] of shown) expect(code, path!).toBe(files.get(path!));
});

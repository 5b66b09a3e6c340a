/** `bench page`: stored results as an HTML page. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { replaceFile } from '@ashlar/text/node';
import { repository } from '../harness/discover.js';
import { benchmarksPage } from './page.js';
import { storedResults } from './stored.js';

export interface PageOptions { readonly results?: string; readonly out?: string }

export function writePage({ results, out = join(repository, 'runs', 'benchmarks.html') }: PageOptions): void {
  mkdirSync(dirname(out), { recursive: true });
  replaceFile(out, [new TextEncoder().encode(benchmarksPage([...storedResults(results).values()]))]);
  process.stdout.write(`${out}\n`);
}

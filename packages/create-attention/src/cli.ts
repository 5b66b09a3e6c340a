#!/usr/bin/env node
import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import { createAttention } from './create-attention.js';
import { NameError } from './names.js';

const usage = 'npm create ashlar-attention@latest NAME\n\nWrites a package NAME, such as my-attention, with an attention variant for Ashlar: the code, a reference, tests, a benchmark.';

function main(): number {
  const { values: { help }, positionals } = parseArgs({ allowPositionals: true, options: { help: { type: 'boolean', short: 'h' } } });
  const [name, ...others] = positionals;
  if (help) {
    console.log(usage);
    return 0;
  }
  if (name === undefined || others.length > 0) throw new NameError(`one name is wanted, got ${positionals.length === 0 ? 'none' : positionals.join(' ')}: npm create ashlar-attention@latest my-attention`);
  const { folder, files } = createAttention(name, process.cwd());
  console.log(`${files.map((file) => `${relative(process.cwd(), folder)}/${file}`).join('\n')}\n\ncd ${relative(process.cwd(), folder)}\nnpm install\nnpm test`);
  return 0;
}

try {
  process.exitCode = main();
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  if (!(error instanceof NameError) && !code) throw error;
  console.error(`error: ${message}`);
  process.exitCode = 2;
}

import { expect, test } from 'vitest';
import { allowed, importProblems, importsOf, mayImport } from './check-imports.mjs';

const problems = (name: string, source: string, overrides: { file?: string; group?: string; manifest?: object } = {}) =>
  importProblems({ group: 'packages', name, file: 'src/index.ts', source, manifest: { dependencies: { '@ashlar/tensor': '', '@ashlar/nn': '', '@ashlar/models': '', zod: '' } }, ...overrides });

test('every form of import is seen, and comments are not', () => {
  const source = `
    import a from 'one';
    import type { B } from "two";
    import { c,
      d } from 'three';
    import 'four';
    export * from 'five';
    export { e } from './six.js';
    const f = await import('seven');
    // import g from 'eight';
    /* import h from 'nine'; */
    export const text = 'import i from';`;
  expect(importsOf(source).map(({ specifier }) => specifier)).toEqual(['one', 'two', 'three', 'four', 'five', './six.js', 'seven']);
  expect(importsOf(source).map(({ dynamic }) => dynamic)).toEqual([false, false, false, false, false, false, true]);
});

test('lower rows may be imported, higher rows may not', () => {
  expect(problems('nn', `import { Tensor } from '@ashlar/tensor';`)).toEqual([]);
  expect(problems('nn', `import { decoder } from '@ashlar/models';`)).toEqual(['packages/nn/src/index.ts: imports @ashlar/models: nn may import tensor']);
  expect(problems('tensor', `export * from '@ashlar/nn';`)).toHaveLength(1);
  expect(problems('hub', `import { Tensor } from '@ashlar/tensor/reference';`)).toEqual([]);
  expect(problems('nn', `import { decoder } from '@ashlar/models';`, { file: 'src/x.test.ts' })).toEqual([]);
});

test('no package can reach itself through others', () => {
  for (const name of Object.keys(mayImport)) expect(allowed(name).has(name)).toBe(false);
});

test('imports must be declared', () => {
  expect(problems('nn', `import { z } from 'zod/mini';`)).toEqual([]);
  expect(problems('nn', `import yaml from 'yaml';`)).toEqual(['packages/nn/src/index.ts: imports yaml: package.json does not declare it']);
  expect(problems('nn', `import { test } from 'vitest';`)).toHaveLength(1);
  expect(problems('nn', `import { test } from 'vitest';`, { file: 'src/a.test.ts' })).toEqual([]);
});

test('Node modules stay out of what runs in browsers', () => {
  const source = `import { readFileSync } from 'node:fs';`;
  expect(problems('text', source)).toHaveLength(1);
  expect(problems('text', source, { file: 'src/node/corpus.ts' })).toEqual([]);
  expect(problems('text', source, { file: 'src/node.ts' })).toEqual([]);
  expect(problems('text', source, { file: 'src/nodes.ts' })).toHaveLength(1);
  expect(problems('webgpu-node', source)).toEqual([]);
  expect(problems('trainer', source, { group: 'apps' })).toEqual([]);
  expect(problems('wasm', `const { Worker } = await import('node:worker_threads');`)).toEqual([]);
});

test('relative imports stay inside the package and end with .js', () => {
  expect(problems('nn', `import { a } from './a.js'; import { b } from './b';`)).toEqual(['packages/nn/src/index.ts: imports ./b: relative imports name the compiled file and end with .js']);
  expect(problems('nn', `import { a } from '../../tensor/src/a.js';`)).toHaveLength(1);
  expect(problems('nn', `import { a } from '../a.js';`, { file: 'src/deep/b.ts' })).toEqual([]);
});

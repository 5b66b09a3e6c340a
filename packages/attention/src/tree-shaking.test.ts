import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { expect, test } from 'vitest';

/** The sources of this package that a program which imports these names from it is bundled with. */
async function bundled(names: string): Promise<string[]> {
  const folder = fileURLToPath(new URL('.', import.meta.url)), file = `${folder}shaken.program.ts`;
  const result = await build({
    configFile: false, logLevel: 'silent', resolve: { conditions: ['source'] },
    plugins: [{ name: 'program', resolveId: (id) => (id === 'virtual:program' ? file : undefined), load: (id) => (id === file ? `import { ${names} } from './index.js'; globalThis.kept = [${names}];` : undefined) }],
    build: { write: false, target: 'es2022', minify: false, modulePreload: false, rollupOptions: { input: 'virtual:program' } },
  });
  const { output } = result as unknown as { output: { type: string; modules?: Record<string, { renderedLength: number }> }[] };
  return output.flatMap(({ modules = {} }) => Object.entries(modules).filter(([id, { renderedLength }]) => id.startsWith(folder) && id !== file && renderedLength > 0).map(([id]) => id.slice(folder.length))).toSorted();
}

test('a program is bundled with what it uses alone', async () => {
  expect(await bundled('slidingWindow')).toEqual(['masks/mask.ts', 'masks/sliding-window.ts']);
  expect(await bundled('and, causal')).toEqual(['masks/causal.ts', 'masks/combine.ts', 'masks/mask.ts']);
  const ofGrouped = await bundled('grouped');
  expect(ofGrouped).toContain('grouped.ts');
  const ofLinear = await bundled('linearAttention');
  expect(ofLinear).toContain('recurrent/decayed-product.ts');
  for (const other of ['attend.ts', 'delta-rule.ts', 'mamba2.ts', 'retention.ts', 'recurrent/triangular-inverse.ts', 'recurrent/gated-product.ts', 'recurrent/short-convolution.ts']) expect(ofLinear).not.toContain(other);
  for (const other of ['multi-head.ts', 'latent.ts', 'longformer.ts', 'big-bird.ts', 'top-k.ts', 'cross.ts', 'decoding-cache.ts', 'linear-attention.ts', 'recurrent/decayed-product.ts', 'masks/strided.ts', 'scores/alibi.ts']) expect(ofGrouped).not.toContain(other);
});

/** Bundles a program written in a test, from sources, so that it can run in a process or a page of its own. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const sources = fileURLToPath(new URL('..', import.meta.url));

/** Writes `<folder>/<name>/program.mjs`; `program` may import './index.js' and '@ashlar/tensor'. Gives the file's path. */
export async function bundle(name: string, program: string, folder: string, target: 'node' | 'browser'): Promise<string> {
  const entry = 'virtual:program', file = join(sources, `${name}.program.ts`), node = target === 'node';
  await build({
    configFile: false, logLevel: 'silent', resolve: { conditions: ['source'] },
    ...(node && { ssr: { noExternal: true, resolve: { conditions: ['source'] } } }),
    plugins: [{ name: 'program', resolveId: (id) => (id === entry ? file : undefined), load: (id) => (id === file ? program : undefined) }],
    build: {
      ssr: node, target: 'es2022', minify: false, modulePreload: false, outDir: join(folder, name), emptyOutDir: true,
      rollupOptions: { input: entry, output: { entryFileNames: 'program.mjs' } },
    },
  });
  return join(folder, name, 'program.mjs');
}

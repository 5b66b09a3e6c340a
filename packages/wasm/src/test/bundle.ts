/** Bundles a program written in a test, from sources, so that it can run in a process of its own. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const sources = fileURLToPath(new URL('..', import.meta.url));

/** Writes `<folder>/<name>/program.mjs`; `program` may import './index.js' and '@ashlar/tensor'. Gives the file's path. */
export async function bundle(name: string, program: string, folder: string): Promise<string> {
  const entry = 'virtual:program', file = join(sources, `${name}.program.ts`);
  await build({
    configFile: false, logLevel: 'silent', resolve: { conditions: ['source'] },
    ssr: { noExternal: true, resolve: { conditions: ['source'] } },
    plugins: [{ name: 'program', resolveId: (id) => (id === entry ? file : undefined), load: (id) => (id === file ? program : undefined) }],
    build: {
      ssr: true, target: 'es2022', minify: false, modulePreload: false, outDir: join(folder, name), emptyOutDir: true,
      rollupOptions: { input: entry, output: { entryFileNames: 'program.mjs' } },
    },
  });
  return join(folder, name, 'program.mjs');
}

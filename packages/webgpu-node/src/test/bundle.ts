/** A program on this package's sources as one file that plain Node runs. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

/** Bundles `program`, which may import `./index.js`; native packages stay outside and are found from the folder it lies in. */
export async function bundle(program: string): Promise<{ file: string; folder: string }> {
  const source = dirname(dirname(fileURLToPath(import.meta.url)));
  const folder = mkdtempSync(join(dirname(source), 'node_modules', '.program-'));
  const entry = join(folder, 'entry.ts');
  writeFileSync(entry, program.replaceAll("'./index.js'", `'${join(source, 'index.ts')}'`));
  await build({
    configFile: false, logLevel: 'error', root: folder,
    resolve: { conditions: ['source', 'node'] },
    ssr: { noExternal: [/^@ashlar\//], external: ['webgpu', 'koffi', '@sparticuz/chromium', 'tar-stream'], resolve: { conditions: ['source', 'node'], externalConditions: ['node'] } },
    build: { ssr: entry, outDir: folder, emptyOutDir: false, target: 'node20', minify: false, rollupOptions: { output: { entryFileNames: 'program.mjs', format: 'es' } } },
  });
  return { file: join(folder, 'program.mjs'), folder };
}

/** Bundles `program` for a page. It may import our packages. */
export async function bundleForBrowser(program: string): Promise<{ file: string; folder: string }> {
  const source = dirname(dirname(fileURLToPath(import.meta.url)));
  const folder = mkdtempSync(join(dirname(source), 'node_modules', '.page-'));
  const entry = join(folder, 'entry.ts');
  writeFileSync(entry, program);
  await build({
    configFile: false, logLevel: 'error', root: folder, resolve: { conditions: ['source'] },
    build: { outDir: join(folder, 'out'), target: 'es2022', minify: false, modulePreload: false, rollupOptions: { input: entry, output: { entryFileNames: 'program.mjs' } } },
  });
  return { file: join(folder, 'out', 'program.mjs'), folder };
}

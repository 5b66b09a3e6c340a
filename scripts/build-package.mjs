// Compiles the package in the current folder from src to dist, from an empty dist, so that no stale file survives.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const folder = process.cwd();
if (!existsSync(join(folder, 'src'))) process.exit(0);
rmSync(join(folder, 'dist'), { recursive: true, force: true });
const manifest = createRequire(import.meta.url).resolve('typescript/package.json');
const { status } = spawnSync(process.execPath, [join(dirname(manifest), 'bin/tsc'), '-p', 'tsconfig.build.json'], { stdio: 'inherit' });
process.exit(status ?? 1);

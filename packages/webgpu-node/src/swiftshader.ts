/**
 * A software Vulkan driver without a system package: SwiftShader and a Vulkan loader, as `@sparticuz/chromium` carries
 * them (linux on x64). They are unpacked once to a cache folder.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliDecompress } from 'node:zlib';
import { extract } from 'tar-stream';
import { cacheFolder } from './cache-folder.js';

const wanted = ['libvk_swiftshader.so', 'libvulkan.so.1', 'vk_swiftshader_icd.json'];

/** The archive inside the package, or why there is none. */
function archive(): { path: string; version: string } {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new Error(`the carried software adapter runs on linux x64 only; this is ${process.platform} ${process.arch}. Install a Vulkan driver (Mesa's lavapipe is one), or use @ashlar/wasm`);
  let folder = dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium'));
  while (!existsSync(join(folder, 'bin', 'swiftshader.tar.br'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('the package @sparticuz/chromium holds no bin/swiftshader.tar.br: install it again');
    folder = parent;
  }
  const { version } = createRequire(import.meta.url)(join(folder, 'package.json')) as { version: string };
  return { path: join(folder, 'bin', 'swiftshader.tar.br'), version };
}

/** Unpacks what Dawn needs and returns the paths of the driver's description and of the loader. */
export async function unpackSwiftshader(): Promise<{ driver: string; loader: string }> {
  const { path, version } = archive();
  let failure: unknown;
  for (const parent of [cacheFolder(), join(tmpdir(), `ashlar-${process.getuid?.() ?? 0}`)]) {
    const folder = join(parent, `swiftshader-${version}`);
    const found = { driver: join(folder, 'vk_swiftshader_icd.json'), loader: join(folder, 'libvulkan.so.1') };
    if (wanted.every((name) => existsSync(join(folder, name)))) return found;
    try {
      await unpack(path, folder);
      return found;
    } catch (error) { failure = error; }
  }
  throw new Error(`the software adapter could not be unpacked: ${(failure as Error).message}`, { cause: failure });
}

/** Unpacks beside the target and renames, so that another process never sees half of it. */
async function unpack(path: string, folder: string): Promise<void> {
  const fresh = `${folder}.${randomUUID()}`;
  await mkdir(fresh, { recursive: true });
  try {
    const entries = extract();
    entries.end(await promisify(brotliDecompress)(await readFile(path)));
    for await (const entry of entries) {
      const name = basename(entry.header.name), parts: Buffer[] = [];
      for await (const part of entry) parts.push(part as Buffer);
      if (wanted.includes(name)) await writeFile(join(fresh, name), Buffer.concat(parts), { mode: 0o755 });
    }
    const missing = wanted.filter((name) => !existsSync(join(fresh, name)));
    if (missing.length > 0) throw new Error(`${path} lacks ${missing.join(', ')}`);
    try {
      await rename(fresh, folder);
    } catch (error) {
      // Another process was first, or an earlier version was damaged.
      if (!wanted.every((name) => existsSync(join(folder, name)))) {
        await rm(folder, { recursive: true, force: true });
        await rename(fresh, folder).catch(() => { throw error; });
      }
    }
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

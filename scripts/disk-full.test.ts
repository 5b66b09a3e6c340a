import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';

const script = fileURLToPath(new URL('disk-full.mjs', import.meta.url));
let folder: string;
beforeAll(() => {
  if (!existsSync(new URL('../packages/hub/dist/node.js', import.meta.url))) throw new Error('packages/hub is not built: run pnpm build first');
});
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'ashlar-full-')); return () => rmSync(folder, { recursive: true, force: true }); });

const shell = (program: string, ...args: string[]) => spawnSync(program, args, { encoding: 'utf8', env: { ...process.env, FOLDER: folder, SCRIPT: script, NODE: process.execPath } });

describe.skipIf(process.platform !== 'linux')('a model file that does not fit leaves the earlier one, and writing goes on', () => {
  test('on a disk of 64 kB', (context) => {
    const { stdout, stderr, status } = shell('unshare', '-Urm', 'sh', '-c', 'mount -t tmpfs -o size=64k tmpfs "$FOLDER" || exit 77; "$NODE" "$SCRIPT" "$FOLDER"');
    if (status === null || status === 77 || /unshare/.test(stderr)) return context.skip(`this machine does not let a test mount a file system: ${stderr.trim() || 'no unshare'}`);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({
      error: `FileWriteError: cannot write ${join(folder, 'model.safetensors')}: the disk is full (ENOSPC); what was there before is untouched`,
      kept: true, later: [200], files: ['model.safetensors'],
    });
  });

  test('under a file size limit of 16 kB', () => {
    const { stdout, stderr } = shell('bash', '-c', 'trap "" XFSZ; ulimit -f 16; exec "$NODE" "$SCRIPT" "$FOLDER"');
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({
      error: `FileWriteError: cannot write ${join(folder, 'model.safetensors')}: the file would exceed the allowed size (EFBIG); what was there before is untouched`,
      kept: true, later: [200], files: ['model.safetensors'],
    });
  });
});

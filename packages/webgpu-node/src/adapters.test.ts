import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { findAdapter, listAdapters, webgpu } from './index.js';
import { bundle } from './test/bundle.js';

const cache = mkdtempSync(join(tmpdir(), 'ashlar-cache-'));
afterAll(() => rmSync(cache, { recursive: true, force: true }));

test('SwiftShader is always there on linux x64, and is of the cpu class', async () => {
  const found = await findAdapter('swiftshader');
  expect(found.description).toMatchObject({ adapterClass: 'cpu', isFallback: true });
  expect(found.description.name).toMatch(/SwiftShader/);
});

test('the list names every adapter, what it has, and one choice with its reason', async () => {
  const { adapters, problems } = await listAdapters();
  expect(problems).toEqual([]);
  expect(adapters.some(({ origin }) => origin === 'swiftshader')).toBe(true);
  expect(adapters.filter(({ chosen }) => chosen)).toHaveLength(1);
  for (const adapter of adapters) {
    expect(adapter.limits['maxBufferSize']).toBeGreaterThan(1 << 27);
    expect(adapter.features.length).toBeGreaterThan(0);
    expect(adapter.reason).not.toBe('');
  }
});

test('a choice that cannot be had says why and what to do', async () => {
  await expect(webgpu({ adapter: 'metal' as 'auto' })).rejects.toThrow('adapter must be auto, hardware, software or swiftshader, got metal');
  const { adapters } = await listAdapters();
  if (!adapters.some(({ adapterClass }) => adapterClass === 'gpu')) await expect(webgpu({ adapter: 'hardware' })).rejects.toThrow(/no hardware adapter.*Install the graphics driver/);
});

test('processes that start at once unpack the driver once and all find it', async () => {
  const { file, folder } = await bundle("import { webgpu } from './index.js'; const device = await webgpu({ adapter: 'swiftshader' }); console.log(device.description); await device.close();");
  try {
    const runs = await Promise.all([0, 1, 2].map(() => promisify(execFile)(process.execPath, [file], { env: { ...process.env, ASHLAR_CACHE: cache }, timeout: 50_000 })));
    for (const { stdout } of runs) expect(stdout).toMatch(/SwiftShader/);
    expect(readdirSync(cache)).toHaveLength(1);
  } finally { rmSync(folder, { recursive: true, force: true }); }
});

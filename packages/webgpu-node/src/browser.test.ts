import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { extract } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundleForBrowser } from './test/bundle.js';

const possible = process.platform === 'linux' && process.arch === 'x64';
if (!possible) console.log('the browser test is skipped: the Chromium that a package brings runs on linux x64 only');

interface Report { readonly error?: string; readonly description: string; readonly worst: number; readonly losses: readonly number[]; readonly submits: number; readonly lost: string }

const page = `
import { webgpu, DeviceLostError } from '@ashlar/webgpu';
import { assign, attention, gradients, jit, read, tensor, Variable } from '@ashlar/tensor';
const report = (found) => fetch('/report', { method: 'POST', body: JSON.stringify(found) });
try {
  const device = await webgpu(), n = 70;
  const data = Float32Array.from({ length: n * n }, (_, i) => Math.sin(i)), x = tensor(data, { shape: [n, n] });
  const y = await x.matmul(x).mul(0.1).tanh().data(device);
  let worst = 0;
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) {
    let sum = 0;
    for (let k = 0; k < n; k++) sum += data[i * n + k] * data[k * n + j];
    worst = Math.max(worst, Math.abs(Math.tanh(0.1 * sum) - y[i * n + j]));
  }
  const w = new Variable([1, 2, 16, 8], 'f32', Float32Array.from({ length: 256 }, (_, i) => Math.cos(i)));
  const step = jit((goal) => {
    const now = read(w), loss = attention(now, now, now, { causal: true }).sub(goal).square().mean();
    assign(w, now.sub(gradients(loss, [now])[0].mul(20)));
    return loss;
  }, { device });
  const losses = [], goal = tensor(new Float32Array(256).fill(0.5), { shape: [1, 2, 16, 8] });
  for (let i = 0; i < 5; i++) losses.push(await step(goal).item());
  const { submits, runs } = device.counters;
  for (let i = 0; i < 10; i++) { step(goal); await step.ready(); }
  const per = (device.counters.submits - submits) / (device.counters.runs - runs);
  await device.close();
  let lost = '';
  try { device.allocate('f32', 1); } catch (error) { lost = error instanceof DeviceLostError ? error.reason : String(error); }
  await report({ description: device.description, worst, losses, submits: per, lost });
} catch (error) {
  await report({ error: String(error && error.stack || error) });
}`;

describe.skipIf(!possible)('in a browser', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ashlar-browser-'));
  let script = '', programFolder = '';

  beforeAll(async () => {
    let root = dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium'));
    while (!existsSync(join(root, 'bin', 'chromium.br'))) root = dirname(root);
    const unpacked = (name: string): Buffer => brotliDecompressSync(readFileSync(join(root, 'bin', name)));
    writeFileSync(join(folder, 'chromium'), unpacked('chromium.br'));
    chmodSync(join(folder, 'chromium'), 0o755);
    // The browser looks for its software driver beside itself, and for its libraries where the loader is told to.
    for (const archive of ['swiftshader.tar.br', 'al2023.tar.br']) {
      const entries = extract();
      entries.end(unpacked(archive));
      for await (const entry of entries) {
        const parts: Buffer[] = [];
        for await (const part of entry) parts.push(part as Buffer);
        if (entry.header.type === 'file') writeFileSync(join(folder, entry.header.name.split('/').at(-1)!), Buffer.concat(parts), { mode: 0o755 });
      }
    }
    const bundled = await bundleForBrowser(page);
    script = readFileSync(bundled.file, 'utf8');
    programFolder = bundled.folder;
  }, 120_000);
  afterAll(() => { for (const one of [folder, programFolder]) if (one) rmSync(one, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }); });

  test('the same package computes, trains and closes on navigator.gpu', async () => {
    let settle!: { resolve: (report: Report) => void; reject: (error: Error) => void };
    const reported = new Promise<Report>((resolve, reject) => { settle = { resolve, reject }; });
    const server = createServer((request, response) => {
      if (request.url === '/report') {
        let body = '';
        request.on('data', (part: Buffer) => { body += part.toString(); });
        request.on('end', () => { response.end(); settle.resolve(JSON.parse(body) as Report); });
      } else if (request.url === '/program.mjs') response.setHeader('content-type', 'text/javascript').end(script);
      else response.setHeader('content-type', 'text/html').end('<!doctype html><script type="module" src="/program.mjs"></script>');
    });
    await new Promise<void>((listening) => { server.listen(0, '127.0.0.1', listening); });
    const driver = join(folder, 'vk_swiftshader_icd.json');
    const browser = spawn(join(folder, 'chromium'), [
      '--headless', '--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-unsafe-swiftshader',
      `--user-data-dir=${join(folder, 'profile')}`, `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    ], { env: { ...process.env, LD_LIBRARY_PATH: folder, VK_DRIVER_FILES: driver, VK_ICD_FILENAMES: driver }, stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    let complaints = '';
    browser.stderr.on('data', (part: Buffer) => { complaints += part.toString(); });
    const timer = setTimeout(() => { settle.reject(new Error(`no report from the page: ${complaints.slice(-2000)}`)); }, 100_000);
    try {
      const { error, description, worst, losses, submits, lost } = await reported;
      expect(error, complaints.slice(-3000)).toBeUndefined();
      expect(description).toMatch(/^WebGPU on .*software adapter/i);
      expect(worst).toBeLessThan(1e-5);
      expect(losses[4]!).toBeLessThan(0.5 * losses[0]!);
      expect(submits).toBe(1);
      expect(lost).toBe('destroyed');
    } finally {
      clearTimeout(timer);
      try { process.kill(-browser.pid!, 'SIGKILL'); } catch { /* it has ended already */ }
      server.closeAllConnections();
      server.close();
    }
  }, 120_000);
});

import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundle } from './test/bundle.js';

const possible = process.platform === 'linux' && process.arch === 'x64';
if (!possible) console.log('browser tests skipped: the Chromium that a package brings runs on linux x64 only');

interface Report { readonly isolated: boolean; readonly description: string; readonly worst: number; readonly loss: readonly number[]; readonly error?: string }

const program = `
import { wasm } from './index.js';
import { tensor, jit, Variable, read, assign, gradients } from '@ashlar/tensor';
const report = (found) => fetch('/report', { method: 'POST', body: JSON.stringify(found) });
try {
  const device = await wasm(), n = 150;
  const data = Float32Array.from({ length: n * n }, (_, i) => Math.sin(i)), x = tensor(data, { shape: [n, n] });
  const y = await x.matmul(x).mul(0.1).tanh().data(device);
  let worst = 0;
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) {
    let sum = 0;
    for (let k = 0; k < n; k++) sum += data[i * n + k] * data[k * n + j];
    worst = Math.max(worst, Math.abs(Math.tanh(0.1 * sum) - y[i * n + j]));
  }
  const w = new Variable([n], 'f32', new Float32Array(n));
  const step = jit((t) => {
    const loss = read(w).sub(t).square().mean();
    assign(w, read(w).sub(gradients(loss, [read(w)])[0].mul(30)));
    return { loss };
  }, { device });
  const loss = [];
  for (let i = 0; i < 5; i++) loss.push(await step(tensor(new Float32Array(n).fill(1))).loss.item());
  await device.close();
  await report({ isolated: crossOriginIsolated, description: device.description, worst, loss });
} catch (error) {
  await report({ error: String(error && error.stack || error) });
}`;

describe.skipIf(!possible)('in a browser', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ashlar-browser-'));
  let script = '';

  beforeAll(async () => {
    let root = dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium'));
    while (!existsSync(join(root, 'bin', 'chromium.br'))) root = dirname(root);
    const unpacked = (name: string): Buffer => brotliDecompressSync(readFileSync(join(root, 'bin', name)));
    writeFileSync(join(folder, 'chromium'), unpacked('chromium.br'));
    chmodSync(join(folder, 'chromium'), 0o755);
    writeFileSync(join(folder, 'libraries.tar'), unpacked('al2023.tar.br'));
    const { status, stderr } = spawnSync('tar', ['xf', 'libraries.tar'], { cwd: folder, encoding: 'utf8' });
    if (status !== 0) throw new Error(`the browser's libraries were not unpacked: ${stderr}`);
    script = readFileSync(await bundle('page', program, folder, 'browser'), 'utf8');
  }, 120_000);
  afterAll(() => { rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }); });

  /** Opens the page, with or without the headers that let threads share memory, and waits for its report. */
  async function visit(isolated: boolean): Promise<Report> {
    const { promise, resolve, reject } = (() => {
      let settle!: { resolve: (report: Report) => void; reject: (error: Error) => void };
      const made = new Promise<Report>((yes, no) => { settle = { resolve: yes, reject: no }; });
      return { promise: made, ...settle };
    })();
    const server = createServer((request, response) => {
      if (isolated) {
        response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
        response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
      }
      if (request.url === '/report') {
        let body = '';
        request.on('data', (part: Buffer) => { body += part.toString(); });
        request.on('end', () => { response.end(); resolve(JSON.parse(body) as Report); });
      } else if (request.url === '/program.mjs') response.setHeader('content-type', 'text/javascript').end(script);
      else response.setHeader('content-type', 'text/html').end('<!doctype html><script type="module" src="/program.mjs"></script>');
    });
    await new Promise<void>((listening) => { server.listen(0, '127.0.0.1', listening); });
    const profile = join(folder, `profile-${isolated}`);
    mkdirSync(profile);
    const browser = spawn(join(folder, 'chromium'), ['--headless', '--no-sandbox', '--no-zygote', '--disable-gpu', `--user-data-dir=${profile}`, `http://127.0.0.1:${(server.address() as AddressInfo).port}/`],
      { env: { ...process.env, LD_LIBRARY_PATH: join(folder, 'lib') }, stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    let complaints = '';
    browser.stderr.on('data', (part: Buffer) => { complaints += part.toString(); });
    const timer = setTimeout(() => { reject(new Error(`no report from the page: ${complaints.slice(-2000)}`)); }, 90_000);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      try { process.kill(-browser.pid!, 'SIGKILL'); } catch { /* it has ended already */ }
      server.closeAllConnections();
      server.close();
    }
  }

  test('on an isolated page, with threads', async () => {
    const report = await visit(true);
    expect(report.error).toBeUndefined();
    expect(report.isolated).toBe(true);
    expect(report.description).toMatch(/fused multiply-add, \d+ threads?$/);
    expect(report.worst).toBeLessThan(1e-5);
    expect(report.loss[4]!).toBeLessThan(0.2 * report.loss[0]!);
  }, 120_000);
  test('on a page without shared memory, on one thread', async () => {
    const report = await visit(false);
    expect(report.error).toBeUndefined();
    expect(report.isolated).toBe(false);
    expect(report.description).toMatch(/, 1 thread$/);
    expect(report.worst).toBeLessThan(1e-5);
    expect(report.loss[4]!).toBeLessThan(0.2 * report.loss[0]!);
  }, 120_000);
});

/** The headless Chromium that a package brings, and pages in it that report what they found. */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { extract } from 'tar-stream';
import { bundleForBrowser } from './bundle.js';

/** Whether there is a browser for this machine; says so where there is none. */
export const hasBrowser = process.platform === 'linux' && process.arch === 'x64';
if (!hasBrowser) console.log('browser tests skipped: the Chromium that a package brings runs on linux x64 only');

/** Lines of a page with a `device`: by how much a product of n × n matrices and a tanh are off, at `worst`, beside plain loops. */
export const worstOfProduct = (n: number): string => `
const n = ${n}, data = Float32Array.from({ length: n * n }, (_, i) => Math.sin(i)), x = tensor(data, { shape: [n, n] });
const y = await x.matmul(x).mul(0.1).tanh().data(device);
let worst = 0;
for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) {
  let sum = 0;
  for (let k = 0; k < n; k++) sum += data[i * n + k] * data[k * n + j];
  worst = Math.max(worst, Math.abs(Math.tanh(0.1 * sum) - y[i * n + j]));
}`;

export interface Visit {
  /** Of the browser, beside what every visit needs. */
  readonly flags: readonly string[];
  /** Whether the page has the headers that let threads share memory. */
  readonly isolated?: boolean;
}

export class TestBrowser {
  readonly #folder = mkdtempSync(join(tmpdir(), 'ashlar-browser-'));

  /** Unpacks the browser, its libraries and its software driver. */
  static async open(): Promise<TestBrowser> {
    const browser = new TestBrowser(), folder = browser.#folder;
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
    return browser;
  }

  /**
   * What a page reports that runs `program`: it may import our packages, and calls `report(found)` once with plain data.
   * @throws {Error} where it throws, or reports nothing within 90 seconds.
   */
  async visit<Found>(program: string, { flags, isolated = false }: Visit): Promise<Found> {
    const bundled = await bundleForBrowser(`
      const report = (found) => fetch('/report', { method: 'POST', body: JSON.stringify({ found }) });
      const failed = (error) => fetch('/report', { method: 'POST', body: JSON.stringify({ error: String(error && error.stack || error) }) });
      addEventListener('error', (event) => failed(event.error));
      addEventListener('unhandledrejection', (event) => failed(event.reason));
      ${program}`);
    const script = readFileSync(bundled.file, 'utf8'), driver = join(this.#folder, 'vk_swiftshader_icd.json'), profile = mkdtempSync(join(this.#folder, 'profile-'));
    let settle!: { resolve: (found: Found) => void; reject: (error: Error) => void };
    const reported = new Promise<Found>((resolve, reject) => { settle = { resolve, reject }; });
    const server = createServer((request, response) => {
      if (isolated) response.setHeader('Cross-Origin-Opener-Policy', 'same-origin').setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
      if (request.url === '/report') {
        let body = '';
        request.on('data', (part: Buffer) => { body += part.toString(); });
        request.on('end', () => {
          response.end();
          const { found, error } = JSON.parse(body) as { found: Found; error?: string };
          if (error === undefined) settle.resolve(found); else settle.reject(new Error(`the page failed: ${error}`));
        });
      } else if (request.url === '/program.mjs') response.setHeader('content-type', 'text/javascript').end(script);
      else response.setHeader('content-type', 'text/html').end('<!doctype html><script type="module" src="/program.mjs"></script>');
    });
    await new Promise<void>((listening) => { server.listen(0, '127.0.0.1', listening); });
    const browser = spawn(join(this.#folder, 'chromium'), ['--headless', '--no-sandbox', ...flags, `--user-data-dir=${profile}`, `http://127.0.0.1:${(server.address() as AddressInfo).port}/`],
      { env: { ...process.env, LD_LIBRARY_PATH: this.#folder, VK_DRIVER_FILES: driver, VK_ICD_FILENAMES: driver }, stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    let complaints = '';
    browser.stderr.on('data', (part: Buffer) => { complaints += part.toString(); });
    const timer = setTimeout(() => { settle.reject(new Error(`no report from the page: ${complaints.slice(-2000)}`)); }, 90_000);
    try {
      return await reported;
    } finally {
      clearTimeout(timer);
      try { process.kill(-browser.pid!, 'SIGKILL'); } catch { /* it has ended already */ }
      server.closeAllConnections();
      server.close();
      remove(bundled.folder);
    }
  }

  close(): void { remove(this.#folder); }
}

const remove = (folder: string): void => { rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }); };

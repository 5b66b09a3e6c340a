/** A benchmark whose cases are ready in a process of their own. */
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { FinishedMessage, ReadyMessage, TimeOrder, WorkerOrder } from './messages.js';
import { startTimed, type TimedProcess } from './timed-process.js';

export type Worker = TimedProcess<ReadyMessage, TimeOrder, FinishedMessage>;

/** Whether this file runs as it was written, in tests; the worker then does too, on the sources of the packages. */
const fromSource = import.meta.url.endsWith('.ts');

/** Starts a worker and waits until its cases are ready. Throws where it fails, ends or is silent for `timeoutMs`. */
export function startWorker(order: WorkerOrder, timeoutMs: number): Promise<Worker> {
  const typescript = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  return startTimed({
    label: order.benchmark, command: process.execPath,
    args: [
      '--import', typescript, ...(fromSource ? ['--conditions=source'] : []),
      fileURLToPath(new URL(fromSource ? 'worker.ts' : 'worker.js', import.meta.url)), JSON.stringify(order),
    ],
    // Drivers with a shader cache on disk would make every first call but the first look fast.
    environment: { MESA_SHADER_CACHE_DISABLE: 'true' },
  }, timeoutMs);
}

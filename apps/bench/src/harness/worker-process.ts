/** A benchmark whose cases are ready in a process of their own. */
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { converse } from './conversation.js';
import type { CaseState, FinishedMessage, ReadyMessage, TimedMessage, WorkerOrder } from './messages.js';

export interface Worker {
  readonly cases: readonly CaseState[];
  /** Milliseconds of some calls of a case. */
  time(index: number, calls: number): Promise<number>;
  finish(): Promise<FinishedMessage>;
  kill(): void;
}

/** Whether this file runs as it was written, in tests; the worker then does too, on the sources of the packages. */
const fromSource = import.meta.url.endsWith('.ts');

/** Starts a worker and waits until its cases are ready. Throws where it fails, ends or is silent for `timeoutMs`. */
export async function startWorker(order: WorkerOrder, timeoutMs: number): Promise<Worker> {
  const typescript = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  const conversation = converse({
    label: order.benchmark, command: process.execPath,
    args: [
      '--import', typescript, ...(fromSource ? ['--conditions=source'] : []),
      fileURLToPath(new URL(fromSource ? 'worker.ts' : 'worker.js', import.meta.url)), JSON.stringify(order),
    ],
    // Drivers with a shader cache on disk would make every first call but the first look fast.
    environment: { MESA_SHADER_CACHE_DISABLE: 'true' },
  }, timeoutMs);
  try {
    const { cases } = await conversation.answer<ReadyMessage>('ready');
    return {
      cases,
      async time(index, calls) {
        conversation.tell({ command: 'time', case: index, calls });
        return (await conversation.answer<TimedMessage>('timed')).ms;
      },
      async finish() {
        conversation.tell({ command: 'finish' });
        const finished = await conversation.answer<FinishedMessage>('finished');
        conversation.end();
        return finished;
      },
      kill: () => conversation.kill(),
    };
  } catch (error) {
    conversation.kill();
    throw error;
  }
}

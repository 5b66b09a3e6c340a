/** The calling thread and its workers: they load compiled plans and run them together. */
import { builtin, mayBlock } from './features.js';
import { control } from './layout.js';
import { browserWorkerSource, command, nodeWorkerSource } from './worker-source.js';

interface Handle { post(message: unknown): void; detach(): void; terminate(): Promise<unknown> }
type Running = WebAssembly.Instance & { readonly exports: { readonly run: (thread: number) => void } };

/** Starts a worker in Node or in a browser; `heard` gets its messages, `broken` its errors. */
function startWorker(name: string, heard: (message: { ready?: boolean; error?: string }) => void, broken: (error: unknown) => void): Handle {
  const node = builtin('node:worker_threads');
  if (node) {
    const worker = new node.Worker(nodeWorkerSource, { eval: true, execArgv: [], name });
    worker.on('message', (message) => { heard(message as { ready?: boolean }); });
    worker.on('error', broken);
    return { post: (message) => { worker.postMessage(message); }, detach: () => { worker.unref(); }, terminate: () => worker.terminate() };
  }
  const url = URL.createObjectURL(new Blob([browserWorkerSource], { type: 'text/javascript' }));
  const worker = new Worker(url, { name });
  worker.onmessage = (event) => { heard(event.data as { ready?: boolean }); URL.revokeObjectURL(url); };
  worker.onerror = broken;
  return { post: (message) => { worker.postMessage(message); }, detach: () => undefined, terminate: () => { worker.terminate(); return Promise.resolve(); } };
}

export class Threads {
  private readonly workers: Handle[] = [];
  private readonly instances = new Map<number, Running>();
  /** Modules that the calling thread runs by itself. */
  private readonly alone = new Set<number>();
  private words: Int32Array | undefined;
  private readonly blocking = mayBlock();
  private nextId = 1;
  private awaited = 0;
  private failure: string | undefined;
  private broken = false;

  private constructor(private memory: WebAssembly.Memory | undefined, readonly count: number) {
    if (count > 1 && memory) this.words = new Int32Array(memory.buffer);
  }

  /** Starts `count` − 1 workers on a memory; with one thread there are none and the memory need not be shared. */
  static async start(memory: WebAssembly.Memory, count: number): Promise<Threads> {
    const threads = new Threads(memory, count);
    const ready: Promise<void>[] = [];
    for (let thread = 1; thread < count; thread++) {
      ready.push(new Promise((resolve, reject) => {
        const worker = startWorker(`ashlar-wasm-${thread}`, (message) => {
          if (message.error) threads.failure ??= message.error;
          if (message.ready) resolve();
        }, (error) => { threads.failure ??= String(error); reject(new Error(`wasm: worker thread ${thread} did not start: ${String(error)}`)); });
        threads.workers.push(worker);
        worker.post({ memory, thread });
      }));
    }
    try {
      await Promise.all(ready);
    } catch (error) {
      await threads.close();
      throw error;
    }
    for (const worker of threads.workers) worker.detach();
    return threads;
  }

  private word(name: keyof typeof control): number { return control[name] / 4; }

  /** Loads a compiled module on every thread, or on the calling one `alone`, and gives its number. */
  load(module: WebAssembly.Module, alone: boolean): number {
    const id = this.nextId++;
    if (alone) this.alone.add(id);
    else this.tell({ id, module });
    this.instances.set(id, new WebAssembly.Instance(module, { env: { memory: this.memory! } }) as Running);
    return id;
  }

  /** Drops a module wherever it is. */
  unload(id: number): void {
    if (!this.instances.delete(id) || this.alone.delete(id) || this.broken) return;
    this.tell({ forget: [id] });
  }

  private tell(message: unknown): void {
    this.settle();
    if (!this.words) return;
    for (const worker of this.workers) worker.post(message);
    Atomics.store(this.words, this.word('acknowledged'), 0);
    this.awaited = this.workers.length;
    this.signal(command.listen, 0);
  }

  private signal(what: number, argument: number): void {
    const words = this.words!;
    Atomics.store(words, this.word('command'), what);
    Atomics.store(words, this.word('argument'), argument);
    Atomics.add(words, this.word('epoch'), 1);
    if (Atomics.load(words, this.word('idle')) > 0) Atomics.notify(words, this.word('epoch'));
  }

  /** Waits until every worker has handled the last message. */
  private settle(): void {
    if (this.broken) throw this.stopped();
    const words = this.words;
    if (!words || this.awaited === 0) return;
    const at = this.word('acknowledged'), giveUp = Date.now() + 60_000;
    for (;;) {
      const done = Atomics.load(words, at);
      if (done >= this.awaited) break;
      if (Atomics.load(words, this.word('failed')) || Date.now() > giveUp) { this.broken = true; throw this.stopped(); }
      if (this.blocking) Atomics.wait(words, at, done, 100);
    }
    this.awaited = 0;
    if (Atomics.load(words, this.word('failed'))) { this.broken = true; throw this.stopped(); }
  }

  private stopped(): Error {
    return new Error(`wasm: a thread stopped in the middle of its work, so this device can run nothing more; close it and open another${this.failure ? ` (${this.failure})` : ''}`);
  }

  /** Runs module `id` where it was loaded and returns when all are done. */
  run(id: number): void {
    const alone = this.alone.has(id);
    if (alone && this.broken) throw this.stopped();
    if (!alone) this.settle();
    const instance = this.instances.get(id);
    if (!instance) throw new Error('wasm: this executable was released');
    if (this.words && !alone) this.signal(command.run, id);
    try {
      instance.exports.run(0);
    } catch (error) {
      this.broken = true;
      if (this.words) {
        Atomics.store(this.words, this.word('failed'), 1);
        Atomics.notify(this.words, this.word('opened'));
      }
      this.failure ??= String(error);
      throw this.stopped();
    }
  }

  async close(): Promise<void> {
    this.broken = true;
    this.instances.clear();
    this.alone.clear();
    if (this.words) Atomics.store(this.words, this.word('failed'), 1);
    await Promise.all(this.workers.splice(0).map((worker) => worker.terminate()));
    this.words = undefined;
    this.memory = undefined;
  }
}

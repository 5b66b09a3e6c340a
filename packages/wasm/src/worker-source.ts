/** The program of a worker thread, as text: bundlers and test runners then need to know nothing of it. */
import { control } from './layout.js';

export const command = { run: 1, listen: 2 } as const;

/** Iterations of polling before a thread goes to sleep: some tens of microseconds. */
const idlePolls = 20_000;

const program = `
let memory, words, thread, seen = 0;
const instances = new Map();
const at = ${JSON.stringify(Object.fromEntries(Object.entries(control).map(([name, bytes]) => [name, bytes / 4])))};
function fail(error) {
  Atomics.store(words, at.failed, 1);
  Atomics.notify(words, at.opened);
  post({ error: String(error && error.stack || error) });
}
function serve() {
  for (;;) {
    let polls = ${idlePolls};
    while (Atomics.load(words, at.epoch) === seen && polls-- > 0);
    if (Atomics.load(words, at.epoch) === seen) {
      Atomics.add(words, at.idle, 1);
      Atomics.wait(words, at.epoch, seen);
      Atomics.sub(words, at.idle, 1);
      if (Atomics.load(words, at.epoch) === seen) continue;
    }
    seen = Atomics.load(words, at.epoch);
    if (Atomics.load(words, at.command) === ${command.listen}) return;
    try {
      instances.get(Atomics.load(words, at.argument)).exports.run(thread);
    } catch (error) {
      fail(error);
    }
  }
}
listen((message) => {
  try {
    if (message.memory) {
      memory = message.memory;
      words = new Int32Array(memory.buffer);
      thread = message.thread;
    }
    if (message.module) instances.set(message.id, new WebAssembly.Instance(message.module, { env: { memory } }));
    for (const id of message.forget || []) instances.delete(id);
  } catch (error) {
    fail(error);
  }
  if (message.memory) post({ ready: true });
  else {
    Atomics.add(words, at.acknowledged, 1);
    Atomics.notify(words, at.acknowledged);
  }
  serve();
});
`;

export const nodeWorkerSource = `
const { parentPort } = require('node:worker_threads');
const post = (message) => parentPort.postMessage(message);
const listen = (handle) => parentPort.on('message', handle);
${program}`;

export const browserWorkerSource = `
const post = (message) => self.postMessage(message);
const listen = (handle) => { self.onmessage = (event) => handle(event.data); };
${program}`;

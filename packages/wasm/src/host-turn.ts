/** Work here is done when a call returns, so a loop that awaits its results would never let timers, signals or pages have a turn. */

/** Milliseconds that such a loop may keep the host waiting. */
const patience = 10;
let last = performance.now();

const nextTask = (): Promise<void> => new Promise((resolve) => {
  const { setImmediate } = globalThis as { setImmediate?: (run: () => void) => void };
  if (setImmediate) { setImmediate(resolve); return; }
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => { port1.close(); resolve(); };
  port2.postMessage(undefined);
});

/** Lets the host have a turn where it has waited for a while. */
export async function hostTurn(): Promise<void> {
  if (performance.now() - last < patience) return;
  await nextTask();
  last = performance.now();
}

/** A process that makes something ready, times it when told to, and ends when told to: a worker of a suite, or a contestant of a race. */
import { converse, type Launch, type Message } from './conversation.js';

export interface TimedProcess<Ready, Order, Finished> {
  readonly ready: Ready;
  /** Milliseconds of what is ordered, as the process took them. */
  time(order: Order): Promise<number>;
  /** Ends it in an orderly way. */
  finish(): Promise<Finished>;
  /** Ends it at once. */
  kill(): void;
}

/** Starts a process and waits for its `ready`. Throws where it fails, ends or is silent for `timeoutMs`. */
export async function startTimed<Ready extends Message, Order extends object, Finished extends Message>(launch: Launch, timeoutMs: number): Promise<TimedProcess<Ready, Order, Finished>> {
  const conversation = converse(launch, timeoutMs);
  try {
    return {
      ready: await conversation.answer<Ready>('ready'),
      async time(order) {
        conversation.tell({ command: 'time', ...order });
        return (await conversation.answer<Message & { readonly ms: number }>('timed')).ms;
      },
      async finish() {
        conversation.tell({ command: 'finish' });
        const finished = await conversation.answer<Finished>('finished');
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

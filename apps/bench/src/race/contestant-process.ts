/** A contestant that is running. */
import type { Command, FinishedMessage, ReadyMessage, TimedMessage } from '../contestant.js';
import { converse, type Launch } from '../harness/conversation.js';

export interface Contestant {
  readonly ready: ReadyMessage;
  /** Trains `steps` steps; resolves to the milliseconds they took together. */
  time(steps: number): Promise<number>;
  /** Ends the contestant in an orderly way. */
  finish(): Promise<FinishedMessage>;
  /** Ends it at once. */
  kill(): void;
}

/** Starts a contestant and waits for its `ready`. Throws where it fails, ends or is silent for `timeoutMs`. */
export async function startContestant(launch: Launch, timeoutMs: number): Promise<Contestant> {
  const conversation = converse(launch, timeoutMs);
  const ask = (command: Command): void => conversation.tell(command);
  try {
    const ready = await conversation.answer<ReadyMessage>('ready');
    return {
      ready,
      async time(steps) {
        ask({ command: 'time', steps });
        return (await conversation.answer<TimedMessage>('timed')).ms;
      },
      async finish() {
        ask({ command: 'finish' });
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

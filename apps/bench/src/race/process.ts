/** A contestant that is running: its process, and the conversation with it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import {
  messagePrefix, type Command, type FinishedMessage, type Launch, type Message, type ReadyMessage, type TimedMessage,
} from '../contestant.js';

export interface Contestant {
  readonly ready: ReadyMessage;
  /** Trains `steps` steps; resolves to the milliseconds they took together. */
  time(steps: number): Promise<number>;
  /** Ends the contestant in an orderly way. */
  finish(): Promise<FinishedMessage>;
  /** Ends it at once. */
  kill(): void;
}

const running = new Set<ChildProcess>();
process.on('exit', () => { for (const child of running) child.kill('SIGKILL'); });

/**
 * Starts a contestant and waits for its `ready`. Throws what it reported as failed, or the end of its stderr when it
 * ended without a word, or that it was silent for `timeoutMs` (it is then killed).
 */
export async function startContestant(launch: Launch, timeoutMs: number): Promise<Contestant> {
  const child = spawn(launch.command, launch.args, {
    env: { ...process.env, ...launch.environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  running.add(child);
  const waiting: { resolve(message: Message): void; reject(error: Error): void }[] = [];
  const unread: Message[] = [];
  let stderr = '', end: Error | undefined;

  child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr = (stderr + text).slice(-4000); });
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (!line.startsWith(messagePrefix)) return;
    const message = JSON.parse(line.slice(messagePrefix.length)) as Message;
    const next = waiting.shift();
    if (next) next.resolve(message);
    else unread.push(message);
  });
  const ended = (error: Error): void => {
    end ??= error;
    for (const { reject } of waiting.splice(0)) reject(end);
  };
  child.on('exit', () => running.delete(child));
  child.on('error', (error) => ended(new Error(`${launch.command} cannot be started: ${error.message}`)));
  child.on('close', (code, signal) => ended(new Error(`the process ended ${signal ? `by ${signal}` : `with code ${code}`}${lastLines(stderr)}`)));
  child.stdin.on('error', () => { /* the process has gone: `close` tells why */ });

  const next = (): Promise<Message> => new Promise((resolve, reject) => {
    const message = unread.shift();
    if (message) return resolve(message);
    if (end) return reject(end);
    waiting.push({ resolve, reject });
  });
  const answer = async (event: Message['event']): Promise<Message> => {
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new Error(`no answer within ${timeoutMs / 1000} s`));
      }, timeoutMs);
    });
    try {
      const message = await Promise.race([next(), silence]);
      if (message.event === 'failed') throw new Error(message.message);
      if (message.event !== event) throw new Error(`expected the message ${event}, got ${message.event}`);
      return message;
    } finally {
      clearTimeout(timer);
    }
  };
  const tell = (command: Command): void => { child.stdin.write(`${JSON.stringify(command)}\n`); };

  try {
    const ready = await answer('ready') as ReadyMessage;
    return {
      ready,
      async time(steps) {
        tell({ command: 'time', steps });
        return (await answer('timed') as TimedMessage).ms;
      },
      async finish() {
        tell({ command: 'finish' });
        const finished = await answer('finished') as FinishedMessage;
        child.stdin.end();
        return finished;
      },
      kill: () => { child.kill('SIGKILL'); },
    };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

const lastLines = (text: string): string => {
  const lines = text.trim().split('\n').slice(-8).join('\n');
  return lines ? `; its last words:\n${lines}` : ' without a word';
};

/** A process that is talked to: one JSON command a line on its stdin, and lines of `@bench ` with a JSON message on its stdout. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

/** One way to start a process. */
export interface Launch {
  /** Tells this way from others of the same contestant. */
  readonly label: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Default: the current folder. */
  readonly folder?: string;
}

const messagePrefix = '@bench ';

/** A message of which more is known by its event; `failed`, with a text `message`, may come in place of any. */
export interface Message { readonly event: string }

/** Writes a message to the harness that started this process. */
export const send = <M extends Message>(message: M): void => { process.stdout.write(`${messagePrefix}${JSON.stringify(message)}\n`); };

/** What went wrong, for a message `failed`. */
export const failure = (error: unknown): string => (error instanceof Error ? `${error.name}: ${error.message}` : String(error));

export interface Conversation {
  tell(command: object): void;
  /**
   * The next message, which must be this event. Throws what the process reported as failed, or the end of its stderr
   * when it ended without a word, or that it was silent for the time allowed (it is then killed).
   */
  answer<M extends Message>(event: M['event']): Promise<M>;
  /** Closes its stdin: the process ends by itself. */
  end(): void;
  /** Ends it at once. */
  kill(): void;
}

const running = new Set<ChildProcess>();
process.on('exit', () => { for (const child of running) child.kill('SIGKILL'); });

/** Starts a process that may be silent for `timeoutMs`. */
export function converse({ command, args, environment, folder }: Launch, timeoutMs: number): Conversation {
  const child = spawn(command, args, {
    env: { ...process.env, ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(folder !== undefined && { cwd: folder }),
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
  child.on('error', (error) => ended(new Error(`${command} cannot be started: ${error.message}`)));
  child.on('close', (code, signal) => ended(new Error(`the process ended ${signal ? `by ${signal}` : `with code ${code}`}${lastLines(stderr)}`)));
  child.stdin.on('error', () => { /* the process has gone: `close` tells why */ });

  const next = (): Promise<Message> => new Promise((resolve, reject) => {
    const message = unread.shift();
    if (message) return resolve(message);
    if (end) return reject(end);
    waiting.push({ resolve, reject });
  });
  return {
    tell: (told) => { child.stdin.write(`${JSON.stringify(told)}\n`); },
    async answer<M extends Message>(event: M['event']): Promise<M> {
      let timer: NodeJS.Timeout | undefined;
      const silence = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          child.kill('SIGKILL');
          reject(new Error(`no answer within ${timeoutMs / 1000} s`));
        }, timeoutMs);
      });
      try {
        const message = await Promise.race([next(), silence]);
        if (message.event === 'failed') throw new Error((message as Message & { readonly message: string }).message);
        if (message.event !== event) throw new Error(`expected the message ${event}, got ${message.event}`);
        return message as M;
      } finally {
        clearTimeout(timer);
      }
    },
    end: () => { child.stdin.end(); },
    kill: () => { child.kill('SIGKILL'); },
  };
}

const lastLines = (text: string): string => {
  const lines = text.trim().split('\n').slice(-8).join('\n');
  return lines ? `; its last words:\n${lines}` : ' without a word';
};

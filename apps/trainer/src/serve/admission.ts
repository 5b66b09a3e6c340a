import { ApiError } from './api-error.js';

/**
 * How many requests are here at once: some at work, each with one of the workers, and some that wait in the order in which
 * they came. One more is refused before its body is read.
 */
export class Admission<Worker> {
  readonly #idle: Worker[];
  readonly #most: number;
  readonly #waiting: ((worker: Worker) => void)[] = [];
  #here = 0;

  constructor(workers: readonly Worker[], queue: number) {
    this.#idle = [...workers];
    this.#most = workers.length + queue;
  }

  /** Lets a request in; call what it gives when the request is over. @throws {ApiError} 429 where there are too many. */
  enter(): () => void {
    if (this.#here >= this.#most) throw new ApiError(429, `the server works on or holds ${this.#most} requests already; try again later`, 'rate_limit_exceeded');
    this.#here++;
    let over = false;
    return () => {
      if (over) return;
      over = true;
      this.#here--;
    };
  }

  /** A worker, when one is idle; `give` it back. */
  take(signal: AbortSignal): Promise<Worker> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    const worker = this.#idle.pop();
    if (worker !== undefined) return Promise.resolve(worker);
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(turn), 1);
        reject(signal.reason as Error);
      };
      const turn = (one: Worker): void => {
        signal.removeEventListener('abort', leave);
        resolve(one);
      };
      this.#waiting.push(turn);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  give(worker: Worker): void {
    const next = this.#waiting.shift();
    if (next) next(worker);
    else this.#idle.push(worker);
  }
}

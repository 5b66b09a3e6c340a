/** SIGINT and SIGTERM during a training: the first asks it to stop after the step under way, the second ends the process. */
export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
  /** The exit code that belongs to the signal that came; undefined before one. */
  readonly exitCode: number | undefined;
}

const exitCodesOfSignals = { SIGINT: 130, SIGTERM: 143 } as const;

/** @param onFirst Tells the person that the training is stopping. */
export function listenForInterruption(onFirst: () => void): Interruption {
  const controller = new AbortController();
  let exitCode: number | undefined;
  const listener = (name: NodeJS.Signals): void => {
    const code = exitCodesOfSignals[name as keyof typeof exitCodesOfSignals];
    if (exitCode !== undefined) process.exit(code);
    exitCode = code;
    controller.abort();
    onFirst();
  };
  const names = Object.keys(exitCodesOfSignals) as (keyof typeof exitCodesOfSignals)[];
  for (const name of names) process.on(name, listener);
  return {
    signal: controller.signal,
    get exitCode() { return exitCode; },
    [Symbol.dispose]() { for (const name of names) process.off(name, listener); },
  };
}

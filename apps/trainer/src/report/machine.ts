import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os';
import { formatBytes } from '@ashlar/tensor';

/** The machine, as it concerns speed. */
export interface Machine {
  readonly processor: string;
  /** Processors that this process may use. */
  readonly processors: number;
  readonly memory: string;
  readonly system: string;
  readonly node: string;
}

export function thisMachine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() || `${arch()} processor`,
    processors: availableParallelism(),
    memory: formatBytes(totalmem()),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
  };
}

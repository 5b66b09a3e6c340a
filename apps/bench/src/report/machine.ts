/** The machine a figure belongs to. */
import { availableParallelism, cpus, freemem, loadavg, release, totalmem } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly freeMemoryBytes: number;
  readonly system: string;
  readonly node: string;
  /** Load average of the last minute before the run: timings on a busy machine are worth less. */
  readonly load: number;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? process.arch,
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    freeMemoryBytes: freemem(),
    system: `${process.platform} ${release()} ${process.arch}`,
    node: process.versions.node,
    load: Math.round(loadavg()[0]! * 100) / 100,
  };
}

/** A name for files: processor and cores, in small letters. */
export const machineSlug = ({ cpu, cores }: Machine): string =>
  `${cpu.replace(/\((r|tm)\)/gi, '').replace(/@.*$/, '')}-${cores}-cores`.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '');

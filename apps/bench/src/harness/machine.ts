/** The machine a figure belongs to. */
import { spawnSync } from 'node:child_process';
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

/** The machine in a sentence, and a second one where it was busy. */
export function machineLine({ cpu, cores, memoryBytes, system, node, load }: Machine): string {
  const line = `${cpu}, ${cores} cores, ${(memoryBytes / 1e6).toFixed(0)} MB memory, ${system}, Node ${node}, load ${load} before the run.`;
  return load > cores / 4 ? `${line} The machine was busy with other work: only ratios within a run mean something, and those roughly.` : line;
}

/** A name for files: processor and cores, in small letters. */
export const machineSlug = ({ cpu, cores }: Machine): string =>
  `${cpu.replace(/\((r|tm)\)/gi, '').replace(/@.*$/, '')}-${cores}-cores`.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '');

/** The revision of the repository at a folder, with `+` where files that git knows were changed; undefined where there is none. */
export function revisionOf(folder: string): string | undefined {
  const git = (...args: string[]): string | undefined => {
    const { status, stdout } = spawnSync('git', args, { cwd: folder, encoding: 'utf8' });
    return status === 0 ? stdout.trim() : undefined;
  };
  const revision = git('rev-parse', '--short', 'HEAD');
  return revision && `${revision}${git('status', '--porcelain', '--untracked-files=no') ? '+' : ''}`;
}

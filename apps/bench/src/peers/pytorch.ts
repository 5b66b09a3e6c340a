/** How PyTorch takes part: a Python with torch is looked for; the thread settings that suit it best are found by trying. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Entrant } from '../contestant.js';
import type { StepName } from '../steps/definition.js';
import type { Launch } from '../harness/conversation.js';

const script = fileURLToPath(new URL('../../python/training_step.py', import.meta.url));

/** The first of the candidates that can import torch, or undefined. */
export function findPython(candidates: readonly string[]): string | undefined {
  return candidates.find((python) => spawnSync(python, ['-c', 'import torch'], { stdio: 'ignore', timeout: 60_000 }).status === 0);
}

/** Pythons that are tried when none is named. */
export const defaultPythons: readonly string[] = ['python3', '/usr/bin/python3'];

/**
 * Settings worth trying for `threads` threads. Debian's torch calls whatever BLAS is installed; with OpenBLAS's own
 * threads beside OpenMP's, waiting threads may keep the working ones off the cores, so the passive policy is tried too,
 * and OpenBLAS's OpenMP build wherever Debian has put one.
 */
function settings(threads: number): { label: string; environment: Record<string, string> }[] {
  const count = { OMP_NUM_THREADS: `${threads}`, OPENBLAS_NUM_THREADS: `${threads}`, MKL_NUM_THREADS: `${threads}` };
  const found = [{ label: 'as installed', environment: count }];
  if (threads === 1) return found;
  found.push({ label: 'passive wait', environment: { ...count, OMP_WAIT_POLICY: 'PASSIVE' } as typeof count });
  const openMp = openMpBlas();
  if (openMp) found.push({ label: 'OpenBLAS with OpenMP', environment: { ...count, LD_LIBRARY_PATH: openMp } as typeof count });
  return found;
}

/** The folder of Debian's OpenMP build of OpenBLAS, or undefined. */
function openMpBlas(): string | undefined {
  if (process.platform !== 'linux' || !existsSync('/usr/lib')) return undefined;
  return readdirSync('/usr/lib')
    .map((name) => join('/usr/lib', name, 'openblas-openmp'))
    .find((folder) => existsSync(join(folder, 'libblas.so.3')));
}

/** PyTorch on `threads` threads. */
export function pytorch(step: StepName, threads: number, python: string): Entrant {
  const launches: Launch[] = settings(threads).map(({ label, environment }) => ({
    label, command: python, args: [script, step, 'serve', '--threads', `${threads}`], environment,
  }));
  return { name: `pytorch-${threads}`, title: `PyTorch, CPU, ${threads} thread${threads === 1 ? '' : 's'}`, launches };
}

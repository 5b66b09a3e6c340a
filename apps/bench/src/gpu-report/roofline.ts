/** The shortest time that a plan can take on given hardware. */
import type { Step } from '@ashlar/tensor';
import type { Rates } from './gpus.js';

/**
 * Σ over kernels of max(FLOPs / rate of arithmetic, bytes / bandwidth), in milliseconds: what each kernel reads or writes
 * crosses the memory's bus once, kernels follow one another, and a launch costs nothing. Caches that keep results from
 * one kernel to the next can beat it where a plan is small; Williams et al. 2009, doi 10.1145/1498765.1498785.
 */
export const lowerBoundMs = (steps: readonly Pick<Step, 'flops' | 'bytes'>[], { flops, bandwidth }: Rates): number =>
  steps.reduce((sum, step) => sum + 1000 * Math.max(step.flops / flops, step.bytes / bandwidth), 0);

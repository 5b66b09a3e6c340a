import type { Tensor, Variable } from '@ashlar/tensor';
import type { Parameter } from '@ashlar/nn';

/** A rule of updates, ready for any parameters. */
export interface Optimizer {
  readonly name: string;
  /** The learning rate of update number `step` (from 0). */
  learningRate(step: number): number;
  /** Makes the state for these parameters. */
  attach(parameters: ReadonlyMap<string, Parameter>): AttachedOptimizer;
}

/** A rule of updates with its state. */
export interface AttachedOptimizer {
  /** Everything it remembers, by name: what a checkpoint keeps. */
  readonly state: ReadonlyMap<string, Variable>;
  /** Number of values that `scalars` gives. */
  readonly scalarCount: number;
  /** What changes from update to update: computed on the host in f64, given to `update` as a tensor. */
  scalars(step: number): Float32Array;
  /** Inside a traced function: assigns every parameter and the state, from gradients in the order of the parameters. */
  update(gradients: readonly Tensor[], scalars: Tensor): void;
}

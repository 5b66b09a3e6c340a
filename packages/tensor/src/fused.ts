/**
 * `defineFused`: an operation with a meaning in primitives and, where a backend has one, a kernel of its own.
 * The reference is the semantics, the fallback, the default gradient and the oracle at once.
 */
import type { DType } from './dtype.js';
import type { FusedKernel } from './kernel.js';
import { fused, type Node, type Shape } from './node.js';
import { Tensor } from './tensor.js';

export type Attributes = Readonly<Record<string, unknown>>;

export interface FusedDefinition<A extends Attributes = Attributes> {
  /** Unique; backends look kernels up by it. */
  readonly name: string;
  /** Shapes and dtypes of the results; throws on operands that do not fit. */
  outputs(inputs: readonly Node[], attributes: A): { readonly shape: Shape; readonly dtype: DType }[];
  /** The results in primitives. */
  reference(inputs: Tensor[], attributes: A): Tensor[];
  /** Cotangents of the inputs (undefined: no gradient). `wants(i)`: whether input i's is asked for. Absent: the reference is differentiated. */
  vjp?(saved: { readonly inputs: Tensor[]; readonly outputs: Tensor[]; readonly cotangents: Tensor[]; readonly attributes: A; wants(input: number): boolean }): (Tensor | undefined)[];
  /** Kernels by backend kind, in the form which that backend's package exports as a type. Built-in kernels are in the backends. */
  readonly kernels?: Readonly<Record<string, unknown>>;
  /** Floating-point operations, for `explain()`. Absent: those of the reference, counted where it is inlined, else 0. */
  flops?(kernel: Pick<FusedKernel, 'inputs' | 'outputs' | 'attributes'>): number;
  /** What a reader of `explain()` should know of a kernel beside its shapes. */
  describe?(kernel: Pick<FusedKernel, 'inputs' | 'outputs' | 'attributes'>): string;
  /** Largest allowed |kernel − reference| / (1 + |reference|), by dtype. */
  readonly tolerance: Readonly<Partial<Record<DType, number>>>;
  /** Shapes and attributes from which conformance, gradient and fused-equals-reference tests are made. */
  readonly cases: readonly { readonly inputs: readonly { readonly shape: Shape; readonly dtype?: DType; readonly max?: number }[]; readonly attributes: A }[];
}

/** A definition, with its attributes' type forgotten. */
export type FusedOp = FusedDefinition<Attributes>;

const registry = new Map<string, FusedOp>();

/** Every fused operation defined so far, by name: tests walk it. */
export const fusedOps = (): ReadonlyMap<string, FusedOp> => registry;

/**
 * Defines a fused operation and returns the function that applies it.
 * @throws {Error} where the name is taken.
 */
export function defineFused<A extends Attributes>(definition: FusedDefinition<A>): (inputs: readonly Tensor[], attributes: A) => Tensor[] {
  if (registry.has(definition.name)) throw new Error(`defineFused: '${definition.name}' is defined already`);
  const op = definition as unknown as FusedOp;
  registry.set(definition.name, op);
  return (inputs, attributes) => applyFused(op, inputs, attributes);
}

/** The results of a fused operation. */
export const applyFused = (op: FusedOp, inputs: readonly Tensor[], attributes: Attributes): Tensor[] =>
  fused(op, inputs.map((input) => input.node), attributes).map((node) => new Tensor(node));

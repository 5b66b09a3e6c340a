import { checkpoint, foldKey, tensor, type Tensor } from '@ashlar/tensor';

export interface TrainingOptions {
  /** Key of this step's random bits: shape [2], u32. */
  readonly key: Tensor;
  /** Whether parts wrapped in `recomputed` keep no intermediate values for the backward pass. Default false. */
  readonly recompute?: boolean;
}

interface TrainingScope { readonly key: Tensor; readonly recompute: boolean; operations: number }

const scopes: TrainingScope[] = [];

/**
 * Runs `body` as training does: dropout drops, with bits from the key and the number of the use. Outside such a scope
 * dropout is the identity. `body` must be synchronous.
 */
export function training<R>({ key, recompute = false }: TrainingOptions, body: () => R): R {
  if (key.dtype !== 'u32' || key.shape.join() !== '2') throw new TypeError(`training: the key must be u32 of shape [2], got ${key.dtype} [${key.shape.join(', ')}]`);
  scopes.push({ key, recompute, operations: 0 });
  try { return body(); } finally { scopes.pop(); }
}

/** Whether a training scope is open. */
export const isTraining = (): boolean => scopes.length > 0;

/** A key for the next random operation of the scope, [2] u32; undefined outside a training scope. */
export function nextKey(): Tensor | undefined {
  const scope = scopes.at(-1);
  if (!scope) return undefined;
  return scope.key.xor(tensor(Uint32Array.from(foldKey([0x243f6a88, 0x85a308d3], scope.operations++))));
}

/** `f`; where the training scope asks for it, its intermediate values are computed again in the backward pass. */
export const recomputed = <A extends readonly Tensor[], R extends Tensor | readonly Tensor[]>(f: (...args: A) => R) => (...args: A): R =>
  scopes.at(-1)?.recompute ? checkpoint<A, R>(f)(...args) : f(...args);

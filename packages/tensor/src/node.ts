/**
 * The graph: immutable nodes, one for each use of a primitive. This file knows every primitive's shape rule and nothing
 * of values, gradients or devices.
 */
import type { DType, TypedArray } from './dtype.js';
import { isFloat, isInteger } from './dtype.js';
import type { BinaryOp, ReduceOp, UnaryOp } from './kernel.js';
import type { Storage } from './device.js';
import type { Variable } from './variable.js';
import type { FusedOp } from './fused.js';

export type Shape = readonly number[];

/** A primitive and its parameters. Operands are in `Node.inputs`; the comments name them. */
export type Op =
  /** A value from outside the graph. */
  | { readonly kind: 'leaf'; readonly source: LeafSource }
  /** A scalar. */
  | { readonly kind: 'scalar'; readonly value: number }
  /** 0, 1, …, n−1 as i32, shape [n]. */
  | { readonly kind: 'iota' }
  | { readonly kind: 'unary'; readonly op: UnaryOp }
  | { readonly kind: 'binary'; readonly op: BinaryOp }
  /** (test, x, y) */
  | { readonly kind: 'select' }
  | { readonly kind: 'cast' }
  | { readonly kind: 'bitcast' }
  /** The reduced axes are removed. */
  | { readonly kind: 'reduce'; readonly op: ReduceOp; readonly axes: readonly number[] }
  | { readonly kind: 'reshape' }
  | { readonly kind: 'permute'; readonly axes: readonly number[] }
  /** Repeats axes of size 1; the rank stays. */
  | { readonly kind: 'expand' }
  /** Elements start, start + step, …; the sizes are the node's shape. */
  | { readonly kind: 'slice'; readonly starts: readonly number[]; readonly steps: readonly number[] }
  /** Zeros before and after each axis. */
  | { readonly kind: 'pad'; readonly low: readonly number[]; readonly high: readonly number[] }
  | { readonly kind: 'flip'; readonly axes: readonly number[] }
  | { readonly kind: 'concat'; readonly axis: number }
  /** (table [V, …rest], indices [I…]) → [I…, …rest]. Indices are clamped to 0…V−1. */
  | { readonly kind: 'gather' }
  /** (indices [N], updates [N, C]) → [rows, C], summed in the order of N; indices outside 0…rows−1 are skipped. */
  | { readonly kind: 'scatterAdd'; readonly rows: number }
  /** (a [β…, M, K], b [β…, K, N]) → [β…, M, N], accumulated in f32. */
  | { readonly kind: 'dot' }
  /** (key [2] u32) → Threefry-2x32 bits, u32. */
  | { readonly kind: 'random' }
  /** Many operands, many results (see `result`). */
  | { readonly kind: 'fused'; readonly op: FusedOp; readonly attributes: Readonly<Record<string, unknown>> }
  /** A body whose values are computed again in the backward pass. */
  | { readonly kind: 'checkpoint'; readonly body: { readonly inputs: readonly Node[]; readonly outputs: readonly Node[] } }
  /** Result number `index` of a fused or checkpoint node. */
  | { readonly kind: 'result'; readonly index: number }
  /**
   * (x, …others) → x; no gradient flows through it. A `unique` one is never merged with an equal node: its users are
   * computed apart. It is computed when the others have been.
   */
  | { readonly kind: 'barrier'; readonly unique: boolean };

export type LeafSource =
  | { readonly kind: 'input'; readonly index: number }
  | { readonly kind: 'data'; readonly data: TypedArray }
  | { readonly kind: 'storage'; readonly storage: Storage }
  | { readonly kind: 'variable'; readonly variable: Variable }
  /** Stands for an operand of a checkpoint body. */
  | { readonly kind: 'parameter' };

export interface Node {
  readonly op: Op;
  readonly inputs: readonly Node[];
  readonly shape: Shape;
  readonly dtype: DType;
  /** Creation order; a rewritten node keeps the order of the node it replaces. Kernels are scheduled by it. */
  readonly order: number;
}

let orderCounter = 0;
/** The order that the next node will get. Nodes with a smaller order exist already. */
export const nextOrder = (): number => orderCounter;

export class ShapeError extends Error { override name = 'ShapeError'; }

export const sizeOf = (shape: Shape): number => shape.reduce((product, n) => product * n, 1);
export const show = (shape: Shape): string => `[${shape.join(', ')}]`;
export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((n, i) => n === b[i]);

/** The shape both operands broadcast to by NumPy's rule. */
export function broadcastShapes(a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1, y = b[i - rank + b.length] ?? 1;
    if (x !== y && x !== 1 && y !== 1) throw new ShapeError(`cannot broadcast ${show(a)} with ${show(b)}: axis ${i} has ${x} and ${y}; sizes must be equal or 1`);
    return x === 1 ? y : x;
  });
}

/** A non-negative axis number; throws where the axis does not exist. */
export function normalizeAxis(axis: number, rank: number, what: string): number {
  const normalized = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || normalized < 0 || normalized >= rank) throw new ShapeError(`${what}: axis ${axis} is not an axis of a rank-${rank} tensor`);
  return normalized;
}

export function make(op: Op, inputs: readonly Node[], shape: Shape, dtype: DType, order = orderCounter++): Node {
  return { op, inputs, shape, dtype, order };
}

export const leaf = (source: LeafSource, shape: Shape, dtype: DType): Node => make({ kind: 'leaf', source }, [], shape, dtype);
export const scalar = (value: number, dtype: DType): Node => make({ kind: 'scalar', value }, [], [], dtype);
export const iota = (n: number): Node => make({ kind: 'iota' }, [], [n], 'i32');

const floatOnly: readonly UnaryOp[] = ['exp', 'log', 'sin', 'cos', 'tanh', 'erf', 'sqrt', 'rsqrt', 'reciprocal', 'floor', 'ceil', 'round'];

export function unary(op: UnaryOp, x: Node): Node {
  if (floatOnly.includes(op) && !isFloat(x.dtype)) throw new TypeError(`${op} takes a float tensor, got ${x.dtype}; cast it first`);
  if (op === 'not' ? isFloat(x.dtype) : x.dtype === 'bool') throw new TypeError(`${op} does not take ${x.dtype}`);
  return make({ kind: 'unary', op }, [x], x.shape, x.dtype);
}

export function binary(op: BinaryOp, x: Node, y: Node): Node {
  if (x.dtype !== y.dtype) throw new TypeError(`${op} takes two tensors of one dtype, got ${x.dtype} and ${y.dtype}; cast one`);
  if (!sameShape(x.shape, y.shape)) throw new ShapeError(`${op}: shapes ${show(x.shape)} and ${show(y.shape)} differ`);
  const compares = op === 'eq' || op === 'ne' || op === 'lt' || op === 'le';
  const bitwise = op === 'and' || op === 'or' || op === 'xor';
  const shifts = op === 'shl' || op === 'shr';
  const allowed = compares ? (x.dtype !== 'bool' || op === 'eq' || op === 'ne') : bitwise ? !isFloat(x.dtype) : shifts ? isInteger(x.dtype)
    : op === 'pow' ? isFloat(x.dtype) : x.dtype !== 'bool';
  if (!allowed) throw new TypeError(`${op} does not take ${x.dtype}`);
  return make({ kind: 'binary', op }, [x, y], x.shape, compares ? 'bool' : x.dtype);
}

export function select(test: Node, x: Node, y: Node): Node {
  if (test.dtype !== 'bool') throw new TypeError(`where: the test must be bool, got ${test.dtype}`);
  if (x.dtype !== y.dtype) throw new TypeError(`where takes two tensors of one dtype, got ${x.dtype} and ${y.dtype}; cast one`);
  if (!sameShape(test.shape, x.shape) || !sameShape(x.shape, y.shape)) throw new ShapeError(`where: shapes ${show(test.shape)}, ${show(x.shape)} and ${show(y.shape)} differ`);
  return make({ kind: 'select' }, [test, x, y], x.shape, x.dtype);
}

export const cast = (x: Node, dtype: DType): Node => (x.dtype === dtype ? x : make({ kind: 'cast' }, [x], x.shape, dtype));

export function bitcast(x: Node, dtype: DType): Node {
  if (x.dtype === dtype) return x;
  if ([x.dtype, dtype].some((d) => d === 'f16' || d === 'bool')) throw new TypeError(`bitcast is between f32, i32 and u32, got ${x.dtype} to ${dtype}`);
  return make({ kind: 'bitcast' }, [x], x.shape, dtype);
}

export function reduce(op: ReduceOp, x: Node, axes: readonly number[]): Node {
  if (x.dtype === 'bool') throw new TypeError(`${op}: cast the bool tensor to a number type first`);
  const sorted = [...new Set(axes.map((axis) => normalizeAxis(axis, x.shape.length, op)))].sort((a, b) => a - b);
  if (sorted.length === 0) return x;
  return make({ kind: 'reduce', op, axes: sorted }, [x], x.shape.filter((_, i) => !sorted.includes(i)), x.dtype);
}

export function reshape(x: Node, shape: Shape): Node {
  if (sameShape(x.shape, shape)) return x;
  if (sizeOf(shape) !== sizeOf(x.shape)) throw new ShapeError(`reshape: ${show(x.shape)} has ${sizeOf(x.shape)} elements, ${show(shape)} has ${sizeOf(shape)}`);
  while (x.op.kind === 'reshape') x = x.inputs[0]!;
  return sameShape(x.shape, shape) ? x : make({ kind: 'reshape' }, [x], shape, x.dtype);
}

export function permute(x: Node, axes: readonly number[]): Node {
  const rank = x.shape.length;
  if (axes.length !== rank || new Set(axes).size !== rank || axes.some((axis) => axis < 0 || axis >= rank)) throw new ShapeError(`permute: ${show(axes)} is not an order of the axes of ${show(x.shape)}`);
  if (x.op.kind === 'permute') { const inner = x.op.axes; return permute(x.inputs[0]!, axes.map((axis) => inner[axis]!)); }
  if (axes.every((axis, i) => axis === i)) return x;
  return make({ kind: 'permute', axes }, [x], axes.map((axis) => x.shape[axis]!), x.dtype);
}

export function expand(x: Node, shape: Shape): Node {
  if (sameShape(x.shape, shape)) return x;
  if (shape.length !== x.shape.length || shape.some((n, i) => n !== x.shape[i] && x.shape[i] !== 1)) throw new ShapeError(`expand: ${show(x.shape)} cannot become ${show(shape)}; only axes of size 1 are repeated`);
  return make({ kind: 'expand' }, [x], shape, x.dtype);
}

/** Reshapes and expands to `shape` by NumPy's rule (missing leading axes are added). */
export function broadcastTo(x: Node, shape: Shape): Node {
  if (sameShape(x.shape, shape)) return x;
  const missing = shape.length - x.shape.length;
  if (missing < 0) throw new ShapeError(`cannot broadcast ${show(x.shape)} to ${show(shape)}`);
  return expand(reshape(x, [...Array<number>(missing).fill(1), ...x.shape]), shape);
}

export function slice(x: Node, starts: readonly number[], sizes: readonly number[], steps: readonly number[] = sizes.map(() => 1)): Node {
  x.shape.forEach((n, i) => {
    const start = starts[i]!, size = sizes[i]!, step = steps[i]!;
    if (!(start >= 0 && size >= 0 && step >= 1 && (size === 0 || start + (size - 1) * step < n))) throw new ShapeError(`slice: axis ${i} of ${show(x.shape)} has no ${size} elements from ${start} in steps of ${step}`);
  });
  if (sameShape(x.shape, sizes)) return x;
  return make({ kind: 'slice', starts, steps }, [x], sizes, x.dtype);
}

export function pad(x: Node, low: readonly number[], high: readonly number[]): Node {
  if ([...low, ...high].some((n) => !Number.isInteger(n) || n < 0) || low.length !== x.shape.length || high.length !== x.shape.length) throw new ShapeError(`pad: ${show(low)} and ${show(high)} are not counts for the axes of ${show(x.shape)}`);
  if (low.every((n) => n === 0) && high.every((n) => n === 0)) return x;
  return make({ kind: 'pad', low, high }, [x], x.shape.map((n, i) => n + low[i]! + high[i]!), x.dtype);
}

export function flip(x: Node, axes: readonly number[]): Node {
  return axes.length === 0 ? x : make({ kind: 'flip', axes: axes.map((axis) => normalizeAxis(axis, x.shape.length, 'flip')) }, [x], x.shape, x.dtype);
}

export function concat(parts: readonly Node[], axis: number): Node {
  const first = parts[0];
  if (!first) throw new ShapeError('concat: no tensors given');
  if (parts.length === 1) return first;
  for (const part of parts) {
    if (part.dtype !== first.dtype) throw new TypeError(`concat takes tensors of one dtype, got ${first.dtype} and ${part.dtype}`);
    if (part.shape.length !== first.shape.length || part.shape.some((n, i) => i !== axis && n !== first.shape[i])) throw new ShapeError(`concat along axis ${axis}: shapes ${show(first.shape)} and ${show(part.shape)} differ elsewhere`);
  }
  return make({ kind: 'concat', axis }, parts, first.shape.map((n, i) => (i === axis ? parts.reduce((sum, part) => sum + part.shape[axis]!, 0) : n)), first.dtype);
}

export function gather(table: Node, indices: Node): Node {
  if (!isInteger(indices.dtype)) throw new TypeError(`gather: indices must be i32 or u32, got ${indices.dtype}`);
  if (table.shape.length === 0) throw new ShapeError('gather: the table must have at least one axis');
  if (table.shape[0] === 0 && sizeOf(indices.shape) > 0) throw new ShapeError('gather: the table has no rows');
  return make({ kind: 'gather' }, [table, indices], [...indices.shape, ...table.shape.slice(1)], table.dtype);
}

export function scatterAdd(indices: Node, updates: Node, rows: number): Node {
  if (!isInteger(indices.dtype) || !isFloat(updates.dtype)) throw new TypeError(`scatterAdd takes integer indices and float updates, got ${indices.dtype} and ${updates.dtype}`);
  if (indices.shape.length !== 1 || updates.shape.length !== 2 || indices.shape[0] !== updates.shape[0]) throw new ShapeError(`scatterAdd takes indices [N] and updates [N, C], got ${show(indices.shape)} and ${show(updates.shape)}`);
  return make({ kind: 'scatterAdd', rows }, [indices, updates], [rows, updates.shape[1]!], updates.dtype);
}

export function dot(a: Node, b: Node): Node {
  const rank = a.shape.length;
  if (!isFloat(a.dtype) || a.dtype !== b.dtype) throw new TypeError(`dot takes two float tensors of one dtype, got ${a.dtype} and ${b.dtype}`);
  if (rank < 2 || b.shape.length !== rank || !sameShape(a.shape.slice(0, -2), b.shape.slice(0, -2)) || a.shape[rank - 1] !== b.shape[rank - 2]) throw new ShapeError(`dot takes [β…, M, K] and [β…, K, N], got ${show(a.shape)} and ${show(b.shape)}`);
  return make({ kind: 'dot' }, [a, b], [...a.shape.slice(0, -1), b.shape[rank - 1]!], a.dtype);
}

export function random(key: Node, shape: Shape): Node {
  if (key.dtype !== 'u32' || !sameShape(key.shape, [2])) throw new ShapeError(`random takes a key of shape [2], u32; got ${show(key.shape)}, ${key.dtype}`);
  return make({ kind: 'random' }, [key], shape, 'u32');
}

export function fused(op: FusedOp, inputs: readonly Node[], attributes: Readonly<Record<string, unknown>>): Node[] {
  const outputs = op.outputs(inputs, attributes);
  const node = make({ kind: 'fused', op, attributes }, inputs, [], 'f32');
  return outputs.map(({ shape, dtype }, index) => make({ kind: 'result', index }, [node], shape, dtype));
}

export const barrier = (x: Node, unique: boolean, others: readonly Node[] = []): Node => make({ kind: 'barrier', unique }, [x, ...others], x.shape, x.dtype);

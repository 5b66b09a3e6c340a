/** The tensor that users write with: a lazy, immutable handle on a graph node. */
import { decode, encode, type DType, type TypedArray } from './dtype.js';
import type { Device, Storage } from './device.js';
import type { BinaryOp, ReduceOp, UnaryOp } from './kernel.js';
import * as n from './node.js';
import type { Node, Shape } from './node.js';
import { evaluate } from './evaluate.js';
import type { Variable } from './variable.js';

export type TensorLike = Tensor | number;

/** Axes to reduce: one, several, or (absent) all. Negative axes count from the end. */
export type Axes = number | readonly number[] | undefined;

export interface ReduceOptions { readonly keepDims?: boolean }

/**
 * An n-dimensional array that is computed when somebody asks. Operations build a graph; `data`, `item` and `jit` run it.
 * Operands broadcast by NumPy's rule; a number takes the other operand's dtype; dtypes never change silently.
 */
export class Tensor {
  constructor(readonly node: Node) {}

  get shape(): Shape { return this.node.shape; }
  get dtype(): DType { return this.node.dtype; }
  get rank(): number { return this.node.shape.length; }
  get size(): number { return n.sizeOf(this.node.shape); }

  // ── element-wise ──
  neg(): Tensor { return this.#unary('neg'); }
  abs(): Tensor { return this.#unary('abs'); }
  sign(): Tensor { return this.#unary('sign'); }
  exp(): Tensor { return this.#unary('exp'); }
  log(): Tensor { return this.#unary('log'); }
  sin(): Tensor { return this.#unary('sin'); }
  cos(): Tensor { return this.#unary('cos'); }
  tanh(): Tensor { return this.#unary('tanh'); }
  /** The error function 2/√π ∫₀ˣ exp(−t²) dt. */
  erf(): Tensor { return this.#unary('erf'); }
  sqrt(): Tensor { return this.#unary('sqrt'); }
  /** 1/√x. */
  rsqrt(): Tensor { return this.#unary('rsqrt'); }
  reciprocal(): Tensor { return this.#unary('reciprocal'); }
  floor(): Tensor { return this.#unary('floor'); }
  ceil(): Tensor { return this.#unary('ceil'); }
  /** To the nearest integer, ties to even. */
  round(): Tensor { return this.#unary('round'); }
  /** Logical (bool) or bitwise (integer) complement. */
  not(): Tensor { return this.#unary('not'); }
  square(): Tensor { return this.mul(this); }
  /** 1 / (1 + exp(−x)), without overflow. */
  sigmoid(): Tensor { return this.mul(0.5).tanh().mul(0.5).add(0.5); }

  add(other: TensorLike): Tensor { return this.#binary('add', other); }
  sub(other: TensorLike): Tensor { return this.#binary('sub', other); }
  mul(other: TensorLike): Tensor { return this.#binary('mul', other); }
  /** Quotient; integers truncate toward zero. */
  div(other: TensorLike): Tensor { return this.#binary('div', other); }
  /** Remainder with the sign of the dividend. */
  mod(other: TensorLike): Tensor { return this.#binary('mod', other); }
  pow(other: TensorLike): Tensor { return this.#binary('pow', other); }
  maximum(other: TensorLike): Tensor { return this.#binary('max', other); }
  minimum(other: TensorLike): Tensor { return this.#binary('min', other); }
  eq(other: TensorLike): Tensor { return this.#binary('eq', other); }
  ne(other: TensorLike): Tensor { return this.#binary('ne', other); }
  lt(other: TensorLike): Tensor { return this.#binary('lt', other); }
  le(other: TensorLike): Tensor { return this.#binary('le', other); }
  gt(other: TensorLike): Tensor { return lift(other, this.dtype).#binary('lt', this); }
  ge(other: TensorLike): Tensor { return lift(other, this.dtype).#binary('le', this); }
  and(other: TensorLike): Tensor { return this.#binary('and', other); }
  or(other: TensorLike): Tensor { return this.#binary('or', other); }
  xor(other: TensorLike): Tensor { return this.#binary('xor', other); }
  shiftLeft(other: TensorLike): Tensor { return this.#binary('shl', other); }
  /** Arithmetic for i32, logical for u32. */
  shiftRight(other: TensorLike): Tensor { return this.#binary('shr', other); }

  /** Converts; float → integer truncates toward zero, anything → bool is `≠ 0`. */
  cast(dtype: DType): Tensor { return new Tensor(n.cast(this.node, dtype)); }
  /** The same 32 bits as another dtype (f32, i32, u32). */
  bitcast(dtype: DType): Tensor { return new Tensor(n.bitcast(this.node, dtype)); }

  // ── reductions ──
  /** Σ over the axes, accumulated in f32 or the integer type; 0 for an empty range. */
  sum(axes?: Axes, options?: ReduceOptions): Tensor { return this.#reduce('sum', axes, options); }
  /** The largest element; −infinity (or the least integer) for an empty range. */
  max(axes?: Axes, options?: ReduceOptions): Tensor { return this.#reduce('max', axes, options); }
  /** The smallest element; +infinity (or the greatest integer) for an empty range. */
  min(axes?: Axes, options?: ReduceOptions): Tensor { return this.#reduce('min', axes, options); }
  /** Σ x / count; NaN for an empty range. */
  mean(axes?: Axes, options?: ReduceOptions): Tensor {
    const total = this.sum(axes, options);
    return total.div(this.size / total.size || 0);
  }
  /** Σ (x − mean)² / count (the biased estimate). */
  variance(axes?: Axes, options?: ReduceOptions): Tensor {
    return this.sub(this.mean(axes, { keepDims: true })).square().mean(axes, options);
  }
  /** The index of the first largest element along an axis, i32. */
  argmax(axis = -1): Tensor {
    const at = n.normalizeAxis(axis, this.rank, 'argmax'), count = this.shape[at]!;
    if (count === 0) throw new n.ShapeError(`argmax: axis ${axis} of ${n.show(this.shape)} is empty`);
    const position = arange(count).reshape(this.shape.map((_, i) => (i === at ? count : 1)));
    return where(this.eq(this.max(at, { keepDims: true })), position, count - 1).min(at);
  }
  /** log Σ exp(x), without overflow. −infinity where all elements are. */
  logSumExp(axes?: Axes, options: ReduceOptions = {}): Tensor {
    const peak = this.max(axes, { keepDims: true }).stopGradient();
    const safe = where(peak.eq(-Infinity), 0, peak);
    const total = this.sub(safe).exp().sum(axes, { keepDims: true }).log().add(safe);
    return options.keepDims ? total : total.reshape(this.#reducedShape(axes, false, 'logSumExp'));
  }
  /** exp(x − max) / Σ exp(x − max) along an axis. */
  softmax(axis = -1): Tensor {
    const weights = this.sub(this.max(axis, { keepDims: true }).stopGradient()).exp();
    return weights.div(weights.sum(axis, { keepDims: true }));
  }
  logSoftmax(axis = -1): Tensor { return this.sub(this.logSumExp(axis, { keepDims: true })); }

  // ── shape ──
  /** One size may be −1: it is computed. */
  reshape(shape: Shape): Tensor {
    const unknown = shape.indexOf(-1);
    if (unknown < 0) return new Tensor(n.reshape(this.node, shape));
    const known = shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
    if (known === 0 || this.size % known !== 0 || shape.indexOf(-1, unknown + 1) >= 0) throw new n.ShapeError(`reshape: ${n.show(this.shape)} cannot become ${n.show(shape)}`);
    return new Tensor(n.reshape(this.node, shape.with(unknown, this.size / known)));
  }
  permute(...axes: number[]): Tensor { return new Tensor(n.permute(this.node, axes.map((axis) => n.normalizeAxis(axis, this.rank, 'permute')))); }
  /** Exchanges two axes. */
  transpose(a = -1, b = -2): Tensor {
    const order = this.shape.map((_, i) => i), x = n.normalizeAxis(a, this.rank, 'transpose'), y = n.normalizeAxis(b, this.rank, 'transpose');
    [order[x], order[y]] = [y, x];
    return this.permute(...order);
  }
  broadcastTo(shape: Shape): Tensor { return new Tensor(n.broadcastTo(this.node, shape)); }
  /** `slice([from, to], …)`, one range an axis; `undefined` keeps the axis; negative positions count from the end; a third number is the step. */
  slice(...ranges: (readonly [number, number?, number?] | undefined)[]): Tensor {
    if (ranges.length > this.rank) throw new n.ShapeError(`slice: ${ranges.length} ranges for ${n.show(this.shape)}`);
    const starts: number[] = [], sizes: number[] = [], steps: number[] = [];
    this.shape.forEach((size, i) => {
      const [from, to = size, step = 1] = ranges[i] ?? [0];
      if (!Number.isInteger(step) || step < 1) throw new n.ShapeError(`slice: the step must be a positive integer, got ${step}`);
      const start = Math.min(Math.max(from < 0 ? from + size : from, 0), size), end = Math.min(Math.max(to < 0 ? to + size : to, start), size);
      starts.push(start); steps.push(step); sizes.push(Math.ceil((end - start) / step));
    });
    return new Tensor(n.slice(this.node, starts, sizes, steps));
  }
  /** One position of an axis, which is removed; or, by an integer tensor, rows of the first axis (`gather`). */
  at(index: number | Tensor, axis = 0): Tensor {
    if (index instanceof Tensor) {
      if (axis !== 0) throw new n.ShapeError(`at: positions given by a tensor are of axis 0, got axis ${axis}`);
      return this.gather(index);
    }
    const at = n.normalizeAxis(axis, this.rank, 'at'), size = this.shape[at]!, start = index < 0 ? index + size : index;
    if (!(start >= 0 && start < size)) throw new n.ShapeError(`at: axis ${axis} of ${n.show(this.shape)} has no position ${index}`);
    return this.slice(...this.shape.map((_, i) => (i === at ? [start, start + 1] as const : undefined))).reshape(this.shape.filter((_, i) => i !== at));
  }
  /** Zeros `[before, after]` each axis. */
  pad(...widths: (readonly [number, number] | undefined)[]): Tensor {
    return new Tensor(n.pad(this.node, this.shape.map((_, i) => widths[i]?.[0] ?? 0), this.shape.map((_, i) => widths[i]?.[1] ?? 0)));
  }
  flip(...axes: number[]): Tensor { return new Tensor(n.flip(this.node, axes)); }
  /** Cuts an axis into equal parts. */
  split(parts: number, axis = -1): Tensor[] {
    const at = n.normalizeAxis(axis, this.rank, 'split'), size = this.shape[at]!;
    if (size % parts !== 0) throw new n.ShapeError(`split: axis ${axis} of ${n.show(this.shape)} does not divide by ${parts}`);
    return Array.from({ length: parts }, (_, p) => this.slice(...this.shape.map((_, i) => (i === at ? [p * size / parts, (p + 1) * size / parts] as const : undefined))));
  }

  // ── contraction, indexing ──
  /** NumPy's matmul: [β…, M, K] · [β…, K, N], batch axes broadcast; a rank-1 operand loses its axis. */
  matmul(other: Tensor): Tensor {
    if (this.rank === 0 || other.rank === 0) throw new n.ShapeError('matmul does not take scalars');
    if (this.rank === 1) return this.reshape([1, -1]).matmul(other).#dropAxis(-2);
    if (other.rank === 1) return this.matmul(other.reshape([-1, 1])).#dropAxis(-1);
    if (this.shape.at(-1) !== other.shape.at(-2)) throw new n.ShapeError(`matmul: ${n.show(this.shape)} has ${this.shape.at(-1)} columns, ${n.show(other.shape)} has ${other.shape.at(-2)} rows`);
    if (other.rank === 2) {
      const rows = n.reshape(this.node, [n.sizeOf(this.shape.slice(0, -1)), this.shape.at(-1)!]);
      return new Tensor(n.reshape(n.dot(rows, other.node), [...this.shape.slice(0, -1), other.shape[1]!]));
    }
    const batch = n.broadcastShapes(this.shape.slice(0, -2), other.shape.slice(0, -2));
    return new Tensor(n.dot(n.broadcastTo(this.node, [...batch, ...this.shape.slice(-2)]), n.broadcastTo(other.node, [...batch, ...other.shape.slice(-2)])));
  }
  /** Rows of this table by number: [V, …rest] and integer indices [I…] give [I…, …rest]. Indices are clamped to the table. */
  gather(indices: Tensor): Tensor { return new Tensor(n.gather(this.node, indices.node)); }
  /** The element at `indices` along the last axis: [..., V] and [...] give [...]. */
  pick(indices: Tensor): Tensor {
    const count = this.shape.at(-1)!;
    return where(arange(count).eq(indices.reshape([...indices.shape, 1]).cast('i32')), this, 0).sum(-1);
  }

  /** The same value, through which no gradient flows. */
  stopGradient(): Tensor { return new Tensor(n.barrier(this.node, false)); }
  /** The same value, through which no gradient flows, had only when `others` are computed: so is all that is made of it. For programs of parts that should not share memory. */
  after(...others: readonly Tensor[]): Tensor { return new Tensor(n.barrier(this.node, true, others.map(({ node }) => node))); }

  // ── values ──
  /** Computes the tensor; its elements in row-major order (f16 as f32). A graph of host data alone needs a device. */
  async data(device?: Device): Promise<Exclude<TypedArray, Uint16Array>> {
    return decode(this.dtype, await evaluate(this.node, device));
  }
  /** The one element of a tensor of size 1. */
  async item(device?: Device): Promise<number> {
    if (this.size !== 1) throw new n.ShapeError(`item: ${n.show(this.shape)} has ${this.size} elements, not one`);
    return (await this.data(device))[0]!;
  }

  toString(): string { return `Tensor(${this.dtype} ${n.show(this.shape)})`; }

  #unary(op: UnaryOp): Tensor { return new Tensor(n.unary(op, this.node)); }
  #binary(op: BinaryOp, other: TensorLike): Tensor {
    const y = lift(other, this.dtype), shape = n.broadcastShapes(this.shape, y.shape);
    return new Tensor(n.binary(op, n.broadcastTo(this.node, shape), n.broadcastTo(y.node, shape)));
  }
  #axes(axes: Axes, what: string): number[] {
    return axes === undefined ? this.shape.map((_, i) => i) : (typeof axes === 'number' ? [axes] : axes).map((axis) => n.normalizeAxis(axis, this.rank, what));
  }
  #reducedShape(axes: Axes, keepDims: boolean, what: string): number[] {
    const reduced = this.#axes(axes, what);
    return keepDims ? this.shape.map((size, i) => (reduced.includes(i) ? 1 : size)) : this.shape.filter((_, i) => !reduced.includes(i));
  }
  #reduce(op: ReduceOp, axes: Axes, { keepDims = false }: ReduceOptions = {}): Tensor {
    return new Tensor(n.reshape(n.reduce(op, this.node, this.#axes(axes, op)), this.#reducedShape(axes, keepDims, op)));
  }
  #dropAxis(axis: number): Tensor { return this.reshape(this.shape.toSpliced(axis, 1)); }
}

const lift = (value: TensorLike, dtype: DType): Tensor => (value instanceof Tensor ? value : scalar(value, dtype));

/** A rank-0 tensor. */
export const scalar = (value: number, dtype: DType = 'f32'): Tensor => new Tensor(n.scalar(value, dtype));

type Nested = number | boolean | readonly Nested[];

/**
 * A tensor of host data: nested arrays (numbers become f32, booleans bool), or a typed array, whose type gives the dtype
 * (Float32Array f32, Int32Array i32, Uint32Array u32, Uint16Array f16 bits), with a shape.
 */
export function tensor(values: Nested | TypedArray, options: { shape?: Shape; dtype?: DType } = {}): Tensor {
  if (ArrayBuffer.isView(values)) {
    const dtype = options.dtype ?? (values instanceof Float32Array ? 'f32' : values instanceof Int32Array ? 'i32' : values instanceof Uint32Array ? 'u32' : 'f16');
    const expected = encode(dtype, []).constructor;
    if (values.constructor !== expected) throw new TypeError(`tensor: ${dtype} data must be a ${expected.name}, got a ${values.constructor.name}`);
    return fromData(values, options.shape ?? [values.length], dtype);
  }
  const flat: number[] = [], shape: number[] = [];
  let sawBoolean = false;
  const walk = (value: Nested, depth: number): void => {
    if (typeof value === 'object') {
      shape[depth] ??= value.length;
      if (shape[depth] !== value.length) throw new n.ShapeError(`tensor: ragged nested arrays (${shape[depth]} and ${value.length} elements at depth ${depth})`);
      value.forEach((inner) => walk(inner, depth + 1));
    } else {
      sawBoolean ||= typeof value === 'boolean';
      flat.push(Number(value));
    }
  };
  walk(values, 0);
  const dtype = options.dtype ?? (sawBoolean ? 'bool' : 'f32');
  return fromData(encode(dtype, flat), options.shape ?? shape, dtype);
}

function fromData(data: TypedArray, shape: Shape, dtype: DType): Tensor {
  if (n.sizeOf(shape) !== data.length) throw new n.ShapeError(`tensor: ${data.length} elements do not fill ${n.show(shape)}`);
  return new Tensor(n.leaf({ kind: 'data', data }, shape, dtype));
}

/** A tensor of what a storage holds. */
export const fromStorage = (storage: Storage, shape: Shape): Tensor => {
  if (n.sizeOf(shape) !== storage.size) throw new n.ShapeError(`fromStorage: ${storage.size} elements do not fill ${n.show(shape)}`);
  return new Tensor(n.leaf({ kind: 'storage', storage }, shape, storage.dtype));
};

export const full = (shape: Shape, value: number, dtype: DType = 'f32'): Tensor => scalar(value, dtype).broadcastTo(shape);
export const zeros = (shape: Shape, dtype: DType = 'f32'): Tensor => full(shape, 0, dtype);
export const ones = (shape: Shape, dtype: DType = 'f32'): Tensor => full(shape, 1, dtype);
/** 0, 1, …, n−1 as i32. */
export const arange = (count: number): Tensor => new Tensor(n.iota(count));

/** `x` where the test holds, else `y`; all three broadcast. */
export function where(test: Tensor, x: TensorLike, y: TensorLike): Tensor {
  const dtype = x instanceof Tensor ? x.dtype : y instanceof Tensor ? y.dtype : 'f32';
  const a = lift(x, dtype), b = lift(y, dtype), shape = n.broadcastShapes(test.shape, n.broadcastShapes(a.shape, b.shape));
  return new Tensor(n.select(n.broadcastTo(test.node, shape), n.broadcastTo(a.node, shape), n.broadcastTo(b.node, shape)));
}

/** Joins tensors along an axis. */
export function concat(parts: readonly Tensor[], axis = 0): Tensor {
  if (!parts[0]) throw new n.ShapeError('concat: no tensors given');
  return new Tensor(n.concat(parts.map((part) => part.node), n.normalizeAxis(axis, parts[0].rank, 'concat')));
}

/** Joins tensors of one shape along a new axis. */
export const stack = (parts: readonly Tensor[], axis = 0): Tensor =>
  concat(parts.map((part) => part.reshape(part.shape.toSpliced(axis < 0 ? axis + part.rank + 1 : axis, 0, 1))), axis);

/** out[r, c] = Σ of updates[n, c] over n with indices[n] = r, in the order of n. Indices outside 0…rows−1 are skipped. */
export const scatterAdd = (indices: Tensor, updates: Tensor, rows: number): Tensor => new Tensor(n.scatterAdd(indices.node, updates.node, rows));

/** The variable's present value. */
export const read = (variable: Variable): Tensor => new Tensor(variable.node);

/** Gives a variable a new value, inside a function given to `jit`. */
export const assign = (variable: Variable, value: Tensor): void => variable.assignNode(value.node);

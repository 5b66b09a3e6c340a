/**
 * What a compiled plan is made of: the language between the passes of this package and a backend's code generator.
 *
 * A plan is a list of kernels that run in order, each reading and writing slots. A backend turns each kernel into
 * machine code (WebAssembly) or a shader (WGSL); it makes no decisions about fusion, order or memory.
 */
import type { DType, TypedArray } from './dtype.js';
import type { Storage } from './device.js';

/**
 * A contiguous run of elements. Where it lives:
 * - `work`: in the plan's working memory, at `offset` bytes (a multiple of 256). Lifetimes were planned: two slots may overlap.
 * - `input`: the plan's own copy of argument number `index`; it is written before each run.
 * - `output`: the plan's own copy of result number `index`; it is handed out after each run.
 * - `state`: a storage that outlives the plan (a parameter, optimizer state); read and written in place.
 * - `constant`: data fixed at compile time.
 */
export interface Slot {
  readonly id: number;
  readonly dtype: DType;
  /** Number of elements. */
  readonly size: number;
  readonly place:
    | { readonly kind: 'work'; readonly offset: number }
    | { readonly kind: 'input' | 'output'; readonly index: number }
    | { readonly kind: 'state'; readonly storage: Storage }
    | { readonly kind: 'constant'; readonly data: TypedArray };
}

/** An integer: `base + Σ factor · atom`. Non-negative and inside the slot wherever it is used to address memory. */
export interface Index {
  readonly base: number;
  readonly terms: readonly { readonly atom: Atom; readonly factor: number }[];
}

/**
 * What an index is made of.
 * - `loop`: the current value of loop axis `axis`.
 * - `div`, `mod`: floor(of / by) and of − by · floor(of / by), `of` ≥ 0, `by` > 0.
 * - `value`: an i32 or u32 expression (the row number that a gather loads).
 */
export type Atom =
  | { readonly kind: 'loop'; readonly axis: number }
  | { readonly kind: 'div' | 'mod'; readonly of: Index; readonly by: number }
  | { readonly kind: 'value'; readonly of: Expression };

export type UnaryOp =
  | 'neg' | 'abs' | 'sign' | 'exp' | 'log' | 'sin' | 'cos' | 'tanh' | 'erf' | 'sqrt' | 'rsqrt' | 'reciprocal'
  | 'floor' | 'ceil' | 'round' | 'not';

/**
 * Both operands have one dtype; comparisons give `bool`. `div` on integers truncates toward zero, `mod` takes the sign
 * of the dividend (both as in C); `pow` is for floats. `and`, `or`, `xor` act on bool and integers, shifts on integers.
 */
export type BinaryOp =
  | 'add' | 'sub' | 'mul' | 'div' | 'mod' | 'pow' | 'max' | 'min'
  | 'eq' | 'ne' | 'lt' | 'le'
  | 'and' | 'or' | 'xor' | 'shl' | 'shr';

export type ReduceOp = 'sum' | 'max' | 'min';

/**
 * A scalar expression, evaluated at one point of a kernel's iteration space. A node may be shared: compute it once.
 * `dtype` is that of the result.
 *
 * - `load`: an element of a slot. Where `guard` is present and false, memory is not touched and the result is 0.
 * - `index`: the value of an index, as i32.
 * - `cast`: conversion; float → integer truncates toward zero, anything → bool is `≠ 0`. `bitcast` keeps the 32 bits.
 * - `reduced`: the result of reduction number `reduction` of the same loop kernel.
 * - `accumulator`: in a dot kernel's stores, the f32 product at this point; in an attention mod, the scaled score.
 */
export type Expression =
  | { readonly kind: 'constant'; readonly dtype: DType; readonly value: number }
  | { readonly kind: 'load'; readonly dtype: DType; readonly slot: Slot; readonly index: Index; readonly guard?: Expression }
  | { readonly kind: 'index'; readonly dtype: 'i32'; readonly index: Index }
  | { readonly kind: 'unary'; readonly op: UnaryOp; readonly dtype: DType; readonly x: Expression }
  | { readonly kind: 'binary'; readonly op: BinaryOp; readonly dtype: DType; readonly x: Expression; readonly y: Expression }
  | { readonly kind: 'select'; readonly dtype: DType; readonly test: Expression; readonly x: Expression; readonly y: Expression }
  | { readonly kind: 'cast' | 'bitcast'; readonly dtype: DType; readonly x: Expression }
  | { readonly kind: 'reduced'; readonly dtype: DType; readonly reduction: number }
  | { readonly kind: 'accumulator'; readonly dtype: 'f32' };

/** Writes `value`, converted to the slot's dtype, at `index`. The indices of one kernel's stores never collide. */
export interface Store { readonly slot: Slot; readonly index: Index; readonly value: Expression }

/**
 * Element-wise glue with optional reductions ("map, reduce, map" over rows).
 *
 * The iteration space is `space`; its first `outer` axes are parallel, the rest are the reduced ("inner") axes.
 * For each outer point:
 *   for level 0, 1, …: reduce over all inner points every reduction of that level (its `value` may use `reduced` of
 *   lower levels); then evaluate `outerStores` once, and `innerStores` at every inner point.
 * Without reductions `outer === space.length`, and all stores are `outerStores`.
 *
 * Several stores of one kernel may write different slots. A store may write the slot that the same kernel loads at the
 * same index (in-place update), never at another index: so at one point, evaluate all values before the first store. Accumulate sums in f32 (integers in their own dtype). An empty
 * inner space gives 0 for sum, ∓infinity (the extreme integer) for max and min.
 */
export interface LoopKernel {
  readonly kind: 'loop';
  readonly name: string;
  readonly space: readonly number[];
  readonly outer: number;
  readonly reductions: readonly { readonly op: ReduceOp; readonly level: number; readonly dtype: DType; readonly value: Expression }[];
  readonly outerStores: readonly Store[];
  readonly innerStores: readonly Store[];
}

/** A strided window on a slot: element (i₀, i₁, …) is at `offset + Σ i·stride` elements. Strides may be 0 or negative. */
export interface View {
  readonly slot: Slot;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/**
 * Batched matrix product: c[β, i, j] = Σₖ a[β, i, k] · b[β, k, j], accumulated in f32.
 * `a` has shape [...batch, m, k], `b` [...batch, k, n]; strides tell transposition and broadcasting.
 * The iteration space of the stores is [...batch, m, n] (loop axes in that order); their values use `accumulator`. As
 * in loops, a store may update in place what the epilogue loads at the same index.
 * `k` may be 0: the accumulator is then 0.
 */
export interface DotKernel {
  readonly kind: 'dot';
  readonly name: string;
  readonly batch: readonly number[];
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: View;
  readonly b: View;
  readonly stores: readonly Store[];
}

/** out[r, c] = Σ over n with indices[n] = r of updates[n, c], in the order of n (deterministic). Rows no index names are 0; an index outside 0…rows−1 is skipped. */
export interface ScatterKernel {
  readonly kind: 'scatter';
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly count: number;
  /** Shape [count], i32 or u32. */
  readonly indices: View;
  /** Shape [count, columns]. */
  readonly updates: View;
  /** Contiguous [rows, columns]. */
  readonly out: Slot;
}

/**
 * A fused operation with a hand-written kernel on this backend (streaming attention, …).
 * Floats among `inputs` may be strided views; outputs are contiguous. `scratch` are the slots the backend asked for.
 */
export interface FusedKernel {
  readonly kind: 'fused';
  readonly name: string;
  /** The name given to `defineFused`. */
  readonly op: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly inputs: readonly View[];
  readonly outputs: readonly View[];
  readonly scratch: readonly Slot[];
  /** What the backend says of how it computes it, for `explain()`. */
  readonly note?: string;
}

/** Loops that do not depend on each other and differ only in slots and sizes (one optimizer update a parameter): one dispatch. */
export interface MultiKernel { readonly kind: 'multi'; readonly name: string; readonly loops: readonly LoopKernel[] }

export type Kernel = LoopKernel | DotKernel | ScatterKernel | FusedKernel | MultiKernel;

/** One scheduled kernel and what is known of it before it runs. */
export interface Step {
  readonly kernel: Kernel;
  readonly flops: number;
  /** Bytes read and written at least once. */
  readonly bytes: number;
  /** Whether it reads or overwrites what a kernel since the last barrier wrote or read: those must have finished. */
  readonly barrier: boolean;
}

/** A program for a backend: everything is decided, nothing has run. */
export interface Plan {
  readonly steps: readonly Step[];
  readonly inputs: readonly Slot[];
  readonly outputs: readonly Slot[];
  readonly constants: readonly Slot[];
  /** Storages read or written in place. */
  readonly state: readonly Slot[];
  /** Size of the working memory. */
  readonly workBytes: number;
  /** A table of kernels, bytes and FLOPs, for people. */
  explain(): string;
}

/**
 * The reference device: interprets the graph node by node in f64, in plain loops. Slow, obvious, trusted; it shares no
 * pass, kernel or expression with the other devices. Values are not rounded to f32; integers wrap to 32 bits.
 */
import { inlineCheckpoints } from './autodiff.js';
import { decode, encode, isFloat, type DType, type TypedArray } from './dtype.js';
import type { Device, DeviceCounters, Executable, Storage } from './device.js';
import { mapGraph, rootsOf, topologicalOrder, type Graph } from './graph.js';
import type { BinaryOp, UnaryOp } from './kernel.js';
import { sizeOf, type Node, type Shape } from './node.js';
import { threefry } from './random.js';
import { lowerFused } from './simplify.js';

/** A reference device. Its storages hold f64. */
export function reference(): Device { return new ReferenceDevice(); }

class ReferenceStorage implements Storage {
  data: Float64Array;
  #released = false;
  constructor(readonly device: ReferenceDevice, readonly dtype: DType, readonly size: number) {
    this.data = new Float64Array(size);
    device.account(8 * size);
  }
  write(data: TypedArray): void {
    this.#check();
    this.data.set(decode(this.dtype, data));
  }
  async read(): Promise<TypedArray> {
    this.#check();
    return encode(this.dtype, this.data);
  }
  release(): void {
    if (!this.#released) this.device.account(-8 * this.size);
    this.#released = true;
  }
  #check(): void { if (this.#released) throw new Error('this storage was released'); }
}

class ReferenceDevice implements Device {
  readonly kind = 'reference';
  readonly description = 'reference (f64 interpreter)';
  readonly dtypes: ReadonlySet<DType> = new Set<DType>(['f32', 'f16', 'i32', 'u32', 'bool']);
  readonly counters: DeviceCounters = { bytes: 0, peakBytes: 0, allocations: 0, pipelines: 0, bindGroups: 0, submits: 0, runs: 0 };

  account(bytes: number): void {
    this.counters.bytes += bytes;
    if (bytes > 0) this.counters.allocations++;
    this.counters.peakBytes = Math.max(this.counters.peakBytes, this.counters.bytes);
  }
  allocate(dtype: DType, size: number): ReferenceStorage { return new ReferenceStorage(this, dtype, size); }

  compile(graph: Graph): Executable {
    const lowered = mapGraph(graph, (roots) => lowerFused(inlineCheckpoints(roots), () => false));
    const order = topologicalOrder(rootsOf(lowered));
    return {
      run: (inputs) => {
        const values = new Map<Node, Float64Array>();
        for (const node of order) values.set(node, interpret(node, node.inputs.map((input) => values.get(input)!), inputs, this));
        const outputs = lowered.outputs.map((node) => {
          const storage = this.allocate(node.dtype, sizeOf(node.shape));
          storage.data.set(values.get(node)!);
          return storage;
        });
        for (const { variable, value } of lowered.updates) (variable.on(this) as ReferenceStorage).data = values.get(value)!.slice();
        this.counters.runs++;
        this.counters.submits++;
        return outputs;
      },
      ready: async () => {},
      release: () => {},
    };
  }
  async close(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

/** The multi-index of a row-major position. */
function indexAt(position: number, shape: Shape): number[] {
  const index = new Array<number>(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = position % shape[axis]!;
    position = Math.floor(position / shape[axis]!);
  }
  return index;
}
const positionOf = (index: readonly number[], shape: Shape): number => index.reduce((position, i, axis) => position * shape[axis]! + i, 0);

const wrap = (value: number, dtype: DType): number => (dtype === 'i32' ? value | 0 : dtype === 'u32' ? value >>> 0 : value);

function interpret(node: Node, operands: readonly Float64Array[], inputs: readonly (TypedArray | Storage)[], device: Device): Float64Array {
  const { op, shape, dtype } = node, size = sizeOf(shape), out = new Float64Array(size);
  const [a, b, c] = operands as [Float64Array, Float64Array, Float64Array];
  const from = node.inputs[0]?.shape ?? [], kind = node.inputs[0]?.dtype ?? dtype;
  /** Fills each element from the operand's element at the index that `source` gives. */
  const move = (source: (index: number[]) => number[] | undefined): Float64Array => {
    for (let i = 0; i < size; i++) {
      const at = source(indexAt(i, shape));
      out[i] = at ? a[positionOf(at, from)]! : 0;
    }
    return out;
  };
  switch (op.kind) {
    case 'leaf': {
      const { source } = op;
      const held = source.kind === 'input' ? inputs[source.index]! : source.kind === 'data' ? source.data : source.kind === 'storage' ? source.storage : source.kind === 'variable' ? source.variable.on(device) : undefined;
      if (held instanceof ReferenceStorage) return held.data;
      if (!held || !ArrayBuffer.isView(held)) throw new Error('reference: a tensor of another device; bring its data over first');
      return Float64Array.from(decode(dtype, held));
    }
    case 'scalar': return out.fill(dtype === 'bool' ? Number(op.value !== 0) : op.value);
    case 'iota': return out.map((_, i) => i);
    case 'unary': return out.map((_, i) => unaryOf(op.op, a[i]!, dtype));
    case 'binary': return out.map((_, i) => binaryOf(op.op, a[i]!, b[i]!, kind));
    case 'select': return out.map((_, i) => (a[i] ? b[i]! : c[i]!));
    case 'cast': return out.map((_, i) => castOf(a[i]!, dtype));
    case 'bitcast': {
      const host = encode(kind, a);
      return Float64Array.from(dtype === 'f32' ? new Float32Array(host.buffer) : dtype === 'i32' ? new Int32Array(host.buffer) : new Uint32Array(host.buffer));
    }
    case 'reduce': {
      const extreme = dtype === 'i32' ? [2147483647, -2147483648] : dtype === 'u32' ? [4294967295, 0] : [Infinity, -Infinity];
      out.fill(op.op === 'sum' ? 0 : op.op === 'min' ? extreme[0]! : extreme[1]!);
      for (let i = 0; i < a.length; i++) {
        const to = positionOf(indexAt(i, from).filter((_, axis) => !op.axes.includes(axis)), shape), before = out[to]!;
        out[to] = op.op === 'sum' ? wrap(before + a[i]!, dtype) : op.op === 'max' ? Math.max(before, a[i]!) : Math.min(before, a[i]!);
      }
      return out;
    }
    case 'reshape': case 'barrier': return a;
    case 'permute': return move((index) => { const at: number[] = []; op.axes.forEach((axis, i) => { at[axis] = index[i]!; }); return at; });
    case 'expand': return move((index) => index.map((i, axis) => (from[axis] === 1 ? 0 : i)));
    case 'slice': return move((index) => index.map((i, axis) => op.starts[axis]! + i * op.steps[axis]!));
    case 'flip': return move((index) => index.map((i, axis) => (op.axes.includes(axis) ? from[axis]! - 1 - i : i)));
    case 'pad': return move((index) => { const at = index.map((i, axis) => i - op.low[axis]!); return at.every((i, axis) => i >= 0 && i < from[axis]!) ? at : undefined; });
    case 'concat': {
      for (let i = 0; i < size; i++) {
        const index = indexAt(i, shape);
        let part = 0;
        while (index[op.axis]! >= node.inputs[part]!.shape[op.axis]!) index[op.axis]! -= node.inputs[part++]!.shape[op.axis]!;
        out[i] = operands[part]![positionOf(index, node.inputs[part]!.shape)]!;
      }
      return out;
    }
    case 'gather': {
      const rows = from[0]!, width = sizeOf(from.slice(1));
      for (let i = 0; i < b.length; i++) {
        const row = Math.min(Math.max(b[i]!, 0), rows - 1);
        for (let j = 0; j < width; j++) out[i * width + j] = a[row * width + j]!;
      }
      return out;
    }
    case 'scatterAdd': {
      const columns = shape[1]!;
      for (let i = 0; i < a.length; i++) if (a[i]! >= 0 && a[i]! < op.rows) for (let j = 0; j < columns; j++) out[a[i]! * columns + j]! += b[i * columns + j]!;
      return out;
    }
    case 'dot': {
      const rank = shape.length, m = shape[rank - 2]!, n = shape[rank - 1]!, k = from[rank - 1]!;
      for (let batch = 0; batch * m * n < size; batch++) {
        for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let l = 0; l < k; l++) sum += a[(batch * m + i) * k + l]! * b[(batch * k + l) * n + j]!;
          out[(batch * m + i) * n + j] = sum;
        }
      }
      return out;
    }
    case 'random': return out.map((_, i) => threefry(a[0]!, a[1]!, i, 0)[0]);
    default: throw new Error(`internal: the reference does not interpret a ${op.kind} node`);
  }
}

function unaryOf(op: UnaryOp, x: number, dtype: DType): number {
  switch (op) {
    case 'neg': return wrap(-x, dtype);
    case 'abs': return wrap(Math.abs(x), dtype);
    case 'sign': return Math.sign(x);
    case 'exp': return Math.exp(x);
    case 'log': return Math.log(x);
    case 'sin': return Math.sin(x);
    case 'cos': return Math.cos(x);
    case 'tanh': return Math.tanh(x);
    case 'erf': return errorFunction(x);
    case 'sqrt': return Math.sqrt(x);
    case 'rsqrt': return 1 / Math.sqrt(x);
    case 'reciprocal': return 1 / x;
    case 'floor': return Math.floor(x);
    case 'ceil': return Math.ceil(x);
    case 'round': { const floor = Math.floor(x), rest = x - floor; return rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1; }
    case 'not': return dtype === 'bool' ? Number(!x) : wrap(~x, dtype);
  }
}

function binaryOf(op: BinaryOp, x: number, y: number, dtype: DType): number {
  const float = isFloat(dtype);
  switch (op) {
    case 'add': return wrap(x + y, dtype);
    case 'sub': return wrap(x - y, dtype);
    case 'mul': return float ? x * y : wrap(Math.imul(x, y), dtype);
    case 'div': return float ? x / y : wrap(Math.trunc(x / y), dtype);
    case 'mod': return float ? x % y : wrap(x % y, dtype);
    case 'pow': return Math.pow(x, y);
    case 'max': return Math.max(x, y);
    case 'min': return Math.min(x, y);
    case 'eq': return Number(x === y);
    case 'ne': return Number(x !== y);
    case 'lt': return Number(x < y);
    case 'le': return Number(x <= y);
    case 'and': return wrap(x & y, dtype);
    case 'or': return wrap(x | y, dtype);
    case 'xor': return wrap(x ^ y, dtype);
    case 'shl': return wrap(x << y, dtype);
    case 'shr': return dtype === 'u32' ? x >>> y : x >> y;
  }
}

function castOf(x: number, dtype: DType): number {
  if (dtype === 'bool') return Number(x !== 0);
  if (dtype === 'i32' || dtype === 'u32') return wrap(Math.trunc(x), dtype);
  return x;
}

/** erf to f64 accuracy: the Maclaurin series near 0, the continued fraction of erfc beyond. */
function errorFunction(x: number): number {
  if (Number.isNaN(x)) return NaN;
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 2.5) {
    let term = x, sum = x;
    for (let i = 1; Math.abs(term) > 1e-17 * Math.abs(sum); i++) { term *= -x * x / i; sum += term / (2 * i + 1); }
    return 2 / Math.sqrt(Math.PI) * sum;
  }
  let fraction = 0;
  for (let i = 60; i >= 1; i--) fraction = i / 2 / (size + fraction);
  return Math.sign(x) * (1 - Math.exp(-size * size) / Math.sqrt(Math.PI) / (size + fraction));
}

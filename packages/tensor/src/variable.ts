/** Mutable tensors: parameters, optimizer state, caches. The one thing in this package that changes. */
import { decode, hostArray, type DType, type TypedArray } from './dtype.js';
import type { Device, Storage } from './device.js';
import { leaf, sameShape, show, sizeOf, type Node, type Shape } from './node.js';

/** What a trace has seen of variables: the node that stands for each one's present value. */
export class TraceScope {
  readonly updates = new Map<Variable, Node>();
  readonly #leaves = new Map<Variable, Node>();

  read(variable: Variable): Node {
    const updated = this.updates.get(variable);
    if (updated) return updated;
    let node = this.#leaves.get(variable);
    if (!node) this.#leaves.set(variable, (node = leaf({ kind: 'variable', variable }, variable.shape, variable.dtype)));
    return node;
  }
}

const scopes: TraceScope[] = [];
const currentScope = (): TraceScope | undefined => scopes[scopes.length - 1];

/** Runs `body` with a fresh scope: reads see variables as leaves, assignments are recorded and not carried out. */
export function withScope<R>(scope: TraceScope, body: () => R): R {
  scopes.push(scope);
  try { return body(); } finally { scopes.pop(); }
}

export interface VariableOptions {
  /** For error messages and files. */
  readonly name?: string;
}

/**
 * A tensor cell. Inside a traced function `node` is its present value and `assign` gives it a new one, which the compiled
 * step writes in place. It lives on the host until a device first needs it, then on that device.
 */
export class Variable {
  readonly shape: Shape;
  readonly dtype: DType;
  /** For error messages and files; whoever owns the variable may give it a better one. */
  name: string;
  /** Absent where it is on a device, or where nothing was written yet: it is zeros then, and takes no memory. */
  #host: TypedArray | undefined;
  #storage: Storage | undefined;

  /** @throws {RangeError} where the data has not as many elements as the shape. */
  constructor(shape: Shape, dtype: DType, data?: TypedArray, options: VariableOptions = {}) {
    this.shape = shape;
    this.dtype = dtype;
    this.name = options.name ?? 'variable';
    if (data) this.#check(data);
    this.#host = data;
  }

  get size(): number { return sizeOf(this.shape); }

  /** The device that holds it, if it has left the host. */
  get device(): Device | undefined { return this.#storage?.device; }

  /** Its value in the trace under way, or as a constant of this moment's storage outside one. */
  get node(): Node {
    const scope = currentScope();
    if (scope) return scope.read(this);
    return this.#storage ? leaf({ kind: 'storage', storage: this.#storage }, this.shape, this.dtype) : leaf({ kind: 'data', data: this.#onHost().slice() }, this.shape, this.dtype);
  }

  /** Records its new value in the trace under way. */
  assignNode(value: Node): void {
    const scope = currentScope();
    if (!scope) throw new Error(`${this.name}: assign works inside a function given to jit; use write(data) outside`);
    if (!sameShape(value.shape, this.shape) || value.dtype !== this.dtype) throw new TypeError(`${this.name} is ${this.dtype} ${show(this.shape)}; cannot assign ${value.dtype} ${show(value.shape)}`);
    scope.updates.set(this, value);
  }

  /** Its storage on the device; moves it there from the host the first time. */
  on(device: Device): Storage {
    if (!this.#storage) {
      this.#storage = device.allocate(this.dtype, this.size);
      this.#storage.write(this.#onHost());
      this.#host = undefined;
    } else if (this.#storage.device !== device) {
      throw new Error(`${this.name} lives on ${this.#storage.device.description}; bring it back first: await variable.toHost()`);
    }
    return this.#storage;
  }

  /** Replaces its contents. */
  write(data: TypedArray): void {
    this.#check(data);
    if (this.#storage) this.#storage.write(data);
    else this.#host = data.slice();
  }

  /** A copy of its contents, in the dtype's host form. */
  async read(): Promise<TypedArray> {
    return this.#storage ? this.#storage.read() : this.#onHost().slice();
  }

  /** Its contents as numbers. */
  async values(): Promise<Exclude<TypedArray, Uint16Array>> { return decode(this.dtype, await this.read()); }

  /** Brings it back from its device, whose memory is released. Plans that were compiled with it must not run again. */
  async toHost(): Promise<void> {
    if (!this.#storage) return;
    this.#host = await this.#storage.read();
    this.#storage.release();
    this.#storage = undefined;
  }

  /** Releases its memory. */
  release(): void {
    this.#storage?.release();
    this.#storage = undefined;
    this.#host = hostArray(this.dtype, 0);
  }

  #onHost(): TypedArray { return (this.#host ??= hostArray(this.dtype, this.size)); }

  #check(data: TypedArray): void {
    const expected = hostArray(this.dtype, 0).constructor;
    if (data.length !== this.size || data.constructor !== expected) throw new RangeError(`${this.name} ${show(this.shape)} takes a ${expected.name} of ${this.size} elements, got a ${data.constructor.name} of ${data.length}`);
  }
}

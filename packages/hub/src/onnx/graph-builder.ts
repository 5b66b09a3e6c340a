/** An ONNX graph in the making: names, constants and nodes. */
import type { DType, TypedArray } from '@ashlar/tensor';
import { OnnxError, type OnnxAttribute, type OnnxNode, type OnnxTensor, type OnnxType } from './onnx-format.js';

/** How tensors travel: u32 as int64 from 0 to 2³² − 1, since runtimes have hardly an operator for uint32. */
export const onnxTypeOf: Readonly<Record<DType, OnnxType>> = { f32: 'float', f16: 'float16', i32: 'int32', u32: 'int64', bool: 'bool' };

const arrayOf: Readonly<Record<OnnxType, (values: ArrayLike<number>) => ArrayBufferView>> = {
  float: (values) => (values instanceof Float32Array ? values : Float32Array.from(values)), int32: (values) => (values instanceof Int32Array ? values : Int32Array.from(values)), float16: (values) => Uint16Array.from(values),
  int64: (values) => BigInt64Array.from(Array.from(values, BigInt)), bool: (values) => Uint8Array.from(values),
};

/** Host data of a tensor as ONNX stores it. Every engine that runs this is little-endian, as WebAssembly is. */
function onnxTensor(type: OnnxType, shape: readonly number[], values: ArrayLike<number>): OnnxTensor {
  const { buffer, byteOffset, byteLength } = arrayOf[type](values);
  return { type, shape, bytes: new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength) };
}

export class GraphBuilder {
  readonly #nodes: OnnxNode[] = [];
  readonly #initializers = new Map<string, OnnxTensor>();
  readonly #taken: Set<string>;
  readonly #constants = new Map<string, string>();
  readonly #stored = new Map<object, string>();
  readonly #known = new Map<string, string>();
  #count = 0;

  /** @param taken Names that inputs, outputs and parameters have. */
  constructor(taken: Iterable<string>) { this.#taken = new Set(taken); }

  #fresh(stem: string): string {
    let name: string;
    do name = `${stem}.${this.#count++}`; while (this.#taken.has(name));
    return name;
  }

  /** Adds a node, or finds an equal one; gives the name of its first result. `output`: that name, if it must be a certain one; `unread`: how many more results it has. */
  add(type: string, inputs: readonly string[], attributes: Readonly<Record<string, OnnxAttribute>> = {}, { output, unread = 0 }: { readonly output?: string | undefined; readonly unread?: number } = {}): string {
    const key = JSON.stringify([type, inputs, attributes]), known = this.#known.get(key);
    if (known !== undefined && output === undefined) return known;
    const name = this.#fresh(type), result = output ?? name;
    this.#known.set(key, result);
    this.#nodes.push({ type, name, inputs, outputs: [result, ...Array.from({ length: unread }, () => this.#fresh(type))], attributes });
    return result;
  }

  /** A small constant; equal ones are one. */
  constant(type: OnnxType, shape: readonly number[], values: readonly number[]): string {
    const key = `${type} [${shape.join()}] ${values.map((value) => (Object.is(value, -0) ? '-0' : value)).join()}`;
    let name = this.#constants.get(key);
    if (name === undefined) {
      this.#constants.set(key, (name = this.#fresh('constant')));
      this.#initializers.set(name, onnxTensor(type, shape, values));
    }
    return name;
  }

  /** Sizes, axes and the like: int64 [n]. */
  integers(values: readonly number[]): string { return this.constant('int64', [values.length], values); }

  /** Host data of a graph, stored once. */
  stored(data: TypedArray, type: OnnxType, shape: readonly number[]): string {
    let name = this.#stored.get(data);
    if (name === undefined) {
      this.#stored.set(data, (name = this.#fresh('constant')));
      this.#initializers.set(name, onnxTensor(type, shape, data));
    }
    return name;
  }

  /** Contents under a name that nobody else has. */
  keep(name: string, tensor: OnnxTensor): string {
    this.#initializers.set(name, tensor);
    return name;
  }

  /** A weight under its own name. @throws {OnnxError} where another has that name. */
  weight(name: string, data: TypedArray, type: OnnxType, shape: readonly number[]): string {
    if (this.#initializers.has(name)) throw new OnnxError(`onnx: two weights are called ${name}; give each a name of its own by parameters`);
    return this.keep(name, onnxTensor(type, shape, data));
  }

  /** The nodes and initializers without which these results could not be had. */
  needed(results: readonly string[]): { readonly nodes: readonly OnnxNode[]; readonly initializers: ReadonlyMap<string, OnnxTensor> } {
    const wanted = new Set(results);
    const nodes = this.#nodes.toReversed().filter(({ inputs, outputs }) => outputs.some((name) => wanted.has(name)) && inputs.every((name) => wanted.add(name))).reverse();
    return { nodes, initializers: new Map([...this.#initializers].filter(([name]) => wanted.has(name))) };
  }
}

/** A graph of free sizes: what the graphs of one function at several sizes have in common. */
import { GraphBuilder } from './graph-builder.js';
import { OnnxError, onnxTypes, type OnnxModel, type OnnxNode, type OnnxSize, type OnnxTensor, type OnnxValue } from './onnx-format.js';
import { sizeFunctions, type SizeFunction } from './size-functions.js';

/** A model at certain sizes. */
export interface SizedModel { readonly sizes: Readonly<Record<string, number>>; readonly model: OnnxModel }

/** What has no graph of free sizes. */
export class FreeSizesError extends OnnxError {}

/** Gives the name of an int64 [1]: a size that no input has, from the sizes of inputs. */
export type DerivedSize = (to: GraphBuilder, sizeOf: (input: string, axis: number) => string) => string;

/** Sizes at which a function is looked at: small and large, and in no simple relation to each other. */
const looks = [[2, 3, 5, 11, 13, 17], [7, 2, 19, 41, 71, 4099], [29, 3, 23, 6, 2053, 53], [47, 8, 4, 1031, 14, 9], [12, 37, 61, 15, 10, 509]] as const;
const orders = [[0, 1, 2, 3, 4, 5], [2, 0, 5, 1, 4, 3], [4, 2, 0, 5, 1, 3], [1, 5, 3, 0, 2, 4], [3, 1, 4, 5, 0, 2]] as const;

/**
 * Six sets of sizes at which to look at a function of free sizes.
 * @param limits The greatest of each that may be, where there is one.
 * @throws {OnnxError} where a limit leaves nothing free.
 */
export function sizesToLookAt(names: readonly string[], limits: Readonly<Record<string, number | undefined>>): Record<string, number>[] {
  if (names.length > looks.length) throw new OnnxError(`onnx: up to ${looks.length} sizes may be free, got ${names.join(', ')}; give some of them a number`);
  for (const name of names) if ((limits[name] ?? Infinity) < 4) throw new OnnxError(`onnx: ${name} cannot be free, as it may be at most ${limits[name]}; give it a number`);
  const lists = names.map((name, i) => {
    const limit = limits[name] ?? Infinity;
    // Where the usual ones are too large: from 2 to the limit, in an order of its own.
    return looks[i]!.every((size) => size <= limit) ? looks[i]! : orders[i]!.map((place) => 2 + Math.floor((place * (limit - 2)) / 5));
  });
  return looks[0].map((_, look) => Object.fromEntries(names.map((name, i) => [name, lists[i]![look]!])));
}

const integersOf = ({ bytes }: OnnxTensor): number[] => Array.from(new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8), Number);
const smallIntegersOf = ({ bytes }: OnnxTensor): Int32Array => new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const floatOf = ({ bytes }: OnnxTensor): number => new Float32Array(bytes.buffer, bytes.byteOffset, 1)[0]!;
const sameBytes = (x: Uint8Array, y: Uint8Array): boolean => x.length === y.length && ((x.buffer === y.buffer && x.byteOffset === y.byteOffset) || x.every((byte, i) => byte === y[i]));
const sameTensor = (x: OnnxTensor, y: OnnxTensor): boolean => x.type === y.type && x.shape.join() === y.shape.join() && sameBytes(x.bytes, y.bytes);

/**
 * One model from those of a function at several sizes. Their graphs are walked side by side from the results; constants that
 * differ must be sizes, ranges or reciprocals of sizes: sums of products of the free ones, which the graph then computes.
 * @throws {OnnxError} where the graphs differ in more, so that the function has no graph of free sizes.
 */
export function withFreeSizes(samples: readonly SizedModel[], derived: Readonly<Record<string, DerivedSize>> = {}): OnnxModel {
  return new FreeSizes(samples, derived).model();
}

class FreeSizes {
  readonly #first: OnnxModel;
  readonly #producers: readonly ReadonlyMap<string, OnnxNode>[];
  readonly #to: GraphBuilder;
  readonly #fit: (values: readonly number[]) => SizeFunction | undefined;
  readonly #names: readonly string[];
  /** By the names of one value in all samples. */
  readonly #done = new Map<string, string>();

  constructor(readonly samples: readonly SizedModel[], readonly derived: Readonly<Record<string, DerivedSize>>) {
    this.#first = samples[0]!.model;
    this.#names = Object.keys(samples[0]!.sizes);
    this.#producers = samples.map(({ model }) => new Map(model.nodes.map((node) => [node.outputs[0]!, node])));
    this.#to = new GraphBuilder([...this.#first.inputs.map(({ name }) => name), ...this.#first.outputs.map(({ name }) => name), ...this.#first.initializers.keys()]);
    this.#fit = sizeFunctions(samples.map(({ sizes }) => sizes));
  }

  model(): OnnxModel {
    const outputs = this.#values(({ outputs: values }) => values);
    for (const { name } of outputs) this.#add(this.samples.map(() => name));
    return { ...this.#first, inputs: this.#values(({ inputs }) => inputs), outputs, ...this.#to.needed(outputs.map(({ name }) => name)) };
  }

  #wrong(what: string): FreeSizesError { return new FreeSizesError(`onnx: ${this.#names.join(', ')} cannot all be free, as the graph is another at other sizes: ${what}`); }

  /** Inputs or outputs, whose sizes may be free. */
  #values(of: (model: OnnxModel) => readonly OnnxValue[]): OnnxValue[] {
    const lists = this.samples.map(({ model }) => of(model));
    return lists[0]!.map(({ name, type, shape }, i) => {
      if (lists.some((list) => list.length !== lists[0]!.length || list[i]!.name !== name || list[i]!.shape.length !== shape.length)) throw this.#wrong(`${name} is not in all of them, or has another rank`);
      return { name, type, shape: shape.map((_, axis): OnnxSize => this.#function(lists.map((list) => list[i]!.shape[axis] as number), name).text) };
    });
  }

  #function(values: readonly number[], where: string): SizeFunction {
    const found = this.#fit(values);
    if (!found) throw this.#wrong(`a size of ${where} is ${values.join(', ')} where they are ${this.#names.map((name) => this.samples.map(({ sizes }) => sizes[name]).join(', ')).join('; ')}`);
    return found;
  }

  /** Adds a value and what it needs, operands first; graphs are deep. */
  #add(root: readonly string[]): void {
    const stack = [root];
    while (stack.length > 0) {
      const names = stack.at(-1)!, key = names.join('\n');
      if (this.#done.has(key)) { stack.pop(); continue; }
      const nodes = names.map((name, i) => this.#producers[i]!.get(name)), [node] = nodes;
      if (!node) {
        if (nodes.some(Boolean)) throw this.#wrong(`${names[0]} is computed at some sizes only`);
        this.#done.set(key, this.#outer(names));
        continue;
      }
      const like = (other: OnnxNode | undefined): boolean => other?.type === node.type && other.inputs.length === node.inputs.length && JSON.stringify(other.attributes) === JSON.stringify(node.attributes);
      if (!nodes.every(like)) throw this.#wrong(`one has ${[...new Set(nodes.map((other) => (other ? other.type : 'a constant')))].join(' where another has ')}${nodes.every((other) => other?.type === node.type) ? ' of other attributes' : ''}`);
      const operands = node.inputs.map((_, i) => nodes.map((one) => one!.inputs[i]!)), missing = operands.filter((operand) => !this.#done.has(operand.join('\n')));
      if (missing.length > 0) { stack.push(...missing); continue; }
      const output = this.#first.outputs.some(({ name }) => name === node.outputs[0]) ? node.outputs[0] : undefined, inputs = operands.map((operand) => this.#done.get(operand.join('\n'))!);
      // Where a size is 0, a reshape to it must not mean "as before".
      const free = node.type === 'Reshape' && inputs[1] !== node.inputs[1];
      this.#done.set(key, this.#to.add(node.type, inputs, free ? { ...node.attributes, allowzero: { int: 1 } } : node.attributes, { output, unread: node.outputs.length - 1 }));
      stack.pop();
    }
  }

  /** An input or a constant. */
  #outer(names: readonly string[]): string {
    const tensors = names.map((name, i) => this.samples[i]!.model.initializers.get(name)), [first] = tensors;
    if (!first) {
      if (names.some((name) => name !== names[0])) throw this.#wrong(`one reads ${[...new Set(names)].join(' where another reads ')}`);
      return names[0]!;
    }
    const found = tensors.filter((tensor) => tensor !== undefined);
    if (found.length < tensors.length || found.some(({ type, shape }) => type !== first.type || shape.length !== first.shape.length)) throw this.#wrong(`${names[0]} is a constant at some sizes only`);
    return found.every((tensor) => sameTensor(tensor, first)) ? this.#to.keep(names[0]!, first) : this.#sizes(found, names[0]!);
  }

  /** Constants that differ: sizes. */
  #sizes(tensors: readonly OnnxTensor[], where: string): string {
    const [{ type, shape }] = tensors as [OnnxTensor], to = this.#to;
    const scalar = (size: string, as: keyof typeof onnxTypes): string => to.add('Cast', [to.add('Squeeze', [size])], { to: { int: onnxTypes[as] } });
    const vector = (lists: readonly number[][]): string => {
      const pieces: (string | number[])[] = [];
      for (const [i] of lists[0]!.entries()) {
        const size = this.#function(lists.map((list) => list[i]!), where);
        if (typeof size.text === 'string') pieces.push(this.#emit(size));
        else if (Array.isArray(pieces.at(-1))) (pieces.at(-1) as number[]).push(size.text);
        else pieces.push([size.text]);
      }
      const parts = pieces.map((piece) => (typeof piece === 'string' ? piece : to.integers(piece)));
      return parts.length === 1 ? parts[0]! : to.add('Concat', parts, { axis: { int: 0 } });
    };
    if (type === 'int64' && shape.length === 1 && tensors.every((tensor) => tensor.shape[0] === shape[0])) return vector(tensors.map(integersOf));
    if (shape.length === 0) {
      const values = tensors.map((tensor) => (type === 'int64' ? integersOf(tensor)[0]! : type === 'int32' ? smallIntegersOf(tensor)[0]! : type === 'float' ? floatOf(tensor) : NaN));
      const size = this.#fit(values);
      if (size) return scalar(this.#emit(size), type);
      const inverse = this.#fit(values.map((value) => { const whole = Math.round(1 / value); return Math.fround(1 / whole) === value ? whole : NaN; }));
      if (inverse) return to.add('Reciprocal', [scalar(this.#emit(inverse), type)]);
    }
    if (type === 'int32' && shape.length === 1 && tensors.every((tensor) => smallIntegersOf(tensor).every((value, i) => value === i))) {
      return to.add('Range', [to.constant('int32', [], [0]), scalar(this.#emit(this.#function(tensors.map((tensor) => tensor.shape[0]!), where)), 'int32'), to.constant('int32', [], [1])]);
    }
    throw this.#wrong(`it has a constant ${type} [${shape.join(', ')}] that is another at each size`);
  }

  /** The name of a size, int64 [1]. */
  #emit({ terms }: SizeFunction): string {
    const to = this.#to, sum = (parts: string[], type: string): string => parts.reduce((x, y) => to.add(type, [x, y]));
    return sum(terms.map(({ coefficient, factors }) => sum([...factors.map((factor) => this.#sizeNamed(factor)), ...(coefficient === 1 && factors.length > 0 ? [] : [to.integers([coefficient])])], 'Mul')), 'Add');
  }

  #sizeNamed(name: string): string {
    const sizeOf = (input: string, axis: number): string => this.#to.add('Shape', [input], { start: { int: axis }, end: { int: axis + 1 } });
    if (this.derived[name]) return this.derived[name](this.#to, sizeOf);
    for (const [i, { name: input, shape }] of this.#first.inputs.entries()) {
      const axis = shape.findIndex((_, at) => this.samples.every(({ sizes, model }) => model.inputs[i]!.shape[at] === sizes[name]));
      if (axis >= 0) return sizeOf(input, axis);
    }
    throw this.#wrong(`no input tells ${name}`);
  }
}

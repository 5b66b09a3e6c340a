/** ONNX from any traced function: the graph IR in, a model out. */
import { lowerFused, lowerGraph, topologicalOrder, trace, zeros, type DType, type Node, type Tensor, type TypedArray, type Variable } from '@ashlar/tensor';
import { sizesToLookAt, withFreeSizes, type DerivedSize, type SizedModel } from './free-sizes.js';
import { fusedOperators } from './fused-operators.js';
import { GraphBuilder, onnxTypeOf } from './graph-builder.js';
import { emitPrimitive, opset } from './primitives.js';
import { OnnxError, onnxTypes, type OnnxModel, type OnnxSize, type OnnxType } from './onnx-format.js';

export interface OnnxModelOptions {
  /**
   * Shapes and dtypes of what the model takes, by name. A size may be a name, or a sum of names joined by ` + `: it is free
   * then. i32 and u32 become int64, as runtimes and their users expect of token ids.
   */
  readonly inputs: Readonly<Record<string, { readonly shape: readonly OnnxSize[]; readonly dtype: DType }>>;
  /** Free sizes beside those of `inputs`: of states. */
  readonly sizes?: readonly string[];
  /** The greatest that free sizes may be, where the function has a limit. */
  readonly limits?: Readonly<Record<string, number | undefined>>;
  /** How the graph computes free sizes that no input has, from those that inputs have. */
  readonly derived?: Readonly<Record<string, DerivedSize>>;
  /** Names of weights in the file; a variable that is not among them gets its own name. */
  readonly parameters?: ReadonlyMap<string, Variable>;
  /** Of the graph; default `model`. */
  readonly name?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What a function is told while it is traced. */
export interface OnnxTrace {
  /** The free sizes, at this look. */
  readonly sizes: Readonly<Record<string, number>>;
  /** Makes a variable that is no weight an input, after the others. `output`: what is assigned to it is a result of that name. */
  state(variable: Variable, input: string, output?: string): void;
}

/** A function that becomes a graph. */
export type OnnxFunction = (inputs: Readonly<Record<string, Tensor>>, trace: OnnxTrace) => Readonly<Record<string, Tensor>>;

/**
 * An ONNX model (opset 23) of a function of tensors: its inputs and results are named by the keys of `inputs` and of what
 * it returns. Weights that it reads become initializers under their names, shared ones once. Where sizes are free, the
 * function is traced at several, and the graph is what they have in common.
 * @throws {OnnxError} where the function assigns variables, ONNX has no operator for what it computes, or it has no graph
 *   of free sizes.
 */
export async function onnxModel(f: OnnxFunction, options: OnnxModelOptions): Promise<OnnxModel> {
  const names = [...new Set([...Object.values(options.inputs).flatMap(({ shape }) => shape.flatMap((size) => partsOf(size).filter((part) => typeof part === 'string'))), ...(options.sizes ?? [])])];
  const weights = new Map<Variable, TypedArray>();
  if (names.length === 0) return sizedModel(f, options, {}, weights);
  const samples: SizedModel[] = [];
  for (const sizes of sizesToLookAt(names, options.limits ?? {})) samples.push({ sizes, model: await sizedModel(f, options, sizes, weights) });
  return withFreeSizes(samples, options.derived);
}

/** The model at certain sizes. @param weights What variables hold, as far as it was read already. */
async function sizedModel(f: OnnxFunction, options: OnnxModelOptions, sizes: Readonly<Record<string, number>>, weights: Map<Variable, TypedArray>): Promise<OnnxModel> {
  const sized = (size: OnnxSize): number => partsOf(size).reduce<number>((sum, part) => sum + (typeof part === 'number' ? part : sizes[part]!), 0);
  const given = Object.entries(options.inputs).map(([name, { shape, dtype }]) => ({ name, dtype, shape: shape.map(sized) })), inputNames = given.map(({ name }) => name);
  const states = new Map<Variable, { readonly input: string; readonly output: string | undefined }>();
  const { graph: traced, result } = trace(
    (inputs: Readonly<Record<string, Tensor>>) => f(inputs, { sizes, state: (variable, input, output) => states.set(variable, { input, output }) }),
    Object.fromEntries(given.map(({ name, shape, dtype }) => [name, zeros(shape, dtype)])),
  );
  const kept = traced.updates.map(({ variable, value }) => ({ name: states.get(variable)?.output, variable, value })), lost = kept.find(({ name }) => name === undefined);
  if (lost) throw new OnnxError(`onnx: the function assigns ${lost.variable.name}, and an ONNX graph changes nothing; export one that only reads`);
  const outputNames = [...Object.keys(result), ...kept.map(({ name }) => name!)];
  const graph = lowerGraph({ inputs: traced.inputs, outputs: [...traced.outputs, ...kept.map(({ value }) => value)], updates: [] }, (node) => node.op.kind === 'fused' && Object.hasOwn(fusedOperators, node.op.op.name));

  const names = new Map([...(options.parameters ?? [])].map(([name, variable]) => [variable, name]));
  await readVariables(graph.outputs, states, weights);
  const to = new GraphBuilder([...inputNames, ...[...states.values()].map(({ input }) => input), ...outputNames, ...names.values()]);
  const emitter = new Emitter(to, inputNames, (variable) => states.get(variable)?.input ?? to.weight(names.get(variable) ?? variable.name, weights.get(variable)!, onnxTypeOf[variable.dtype], variable.shape));
  emitter.add(graph.outputs);
  graph.outputs.forEach((node, i) => to.add('Identity', [emitter.nameOf(node)], {}, { output: outputNames[i]! }));
  return {
    name: options.name ?? 'model', opset, ...to.needed(outputNames), metadata: options.metadata ?? {},
    inputs: [...given.map(({ name, shape, dtype }) => ({ name, type: outerType(dtype), shape })), ...[...states].map(([{ shape, dtype }, { input }]) => ({ name: input, type: onnxTypeOf[dtype], shape }))],
    outputs: outputNames.map((name, i) => ({ name, type: onnxTypeOf[graph.outputs[i]!.dtype], shape: graph.outputs[i]!.shape })),
  };
}

/** Numbers and names whose sum a size is. */
const partsOf = (size: OnnxSize): OnnxSize[] => (typeof size === 'number' ? [size] : size.split(' + ').map((part) => (/^\d+$/.test(part) ? Number(part) : part)));

const outerType = (dtype: DType): OnnxType => (dtype === 'i32' ? 'int64' : onnxTypeOf[dtype]);

/** Reads what the variables of a graph hold now. */
async function readVariables(roots: readonly Node[], states: ReadonlyMap<Variable, unknown>, weights: Map<Variable, TypedArray>): Promise<void> {
  for (const { op } of topologicalOrder(roots)) {
    if (op.kind !== 'leaf' || op.source.kind !== 'variable') continue;
    const { variable } = op.source;
    if (!states.has(variable) && !weights.has(variable)) weights.set(variable, await variable.read());
  }
}

/** What a node reads: where its operator broadcasts by itself, operands as they were before they were repeated. */
function operandsOf({ op, inputs, shape }: Node): readonly Node[] {
  if (op.kind !== 'binary' && op.kind !== 'select') return inputs;
  const small = inputs.map((input) => (input.op.kind === 'expand' ? input.inputs[0]! : input));
  return shape.every((size, axis) => small.some((operand) => operand.shape[axis] === size)) ? small : inputs;
}

class Emitter {
  readonly #names = new Map<Node, string>();
  readonly #inputs = new Map<number, string>();

  constructor(readonly to: GraphBuilder, readonly inputNames: readonly string[], readonly weight: (variable: Variable) => string) {}

  /** Adds what the roots need. */
  add(roots: readonly Node[]): void {
    const order = topologicalOrder(roots), second = new Set(order.filter(({ op }) => op.kind === 'result' && op.index > 0).map(({ inputs }) => inputs[0]!));
    for (const node of order) if (!this.#names.has(node) && node.op.kind !== 'fused') this.#names.set(node, this.#emit(node, second));
  }

  nameOf(node: Node): string {
    if (!this.#names.has(node)) this.add([node]);
    return this.#names.get(node)!;
  }

  #emit(node: Node, second: ReadonlySet<Node>): string {
    const { op, inputs } = node;
    if (op.kind === 'leaf') return this.#leaf(op.source, node);
    if (op.kind !== 'result') return emitPrimitive(this.to, node, operandsOf(node).map((input) => this.#names.get(input)!));
    const parent = inputs[0]!;
    if (parent.op.kind !== 'fused') throw new Error(`internal: a result of ${parent.op.kind} after lowering`);
    // Operators give the first result alone.
    const name = second.has(parent) ? undefined : fusedOperators[parent.op.op.name]!({ to: this.to, nameOf: (inner) => this.nameOf(inner) }, parent, parent.op.attributes as never);
    return name ?? this.nameOf(lowerFused([node], (other) => other !== parent)[0]!);
  }

  #leaf(source: Extract<Node['op'], { kind: 'leaf' }>['source'], { dtype, shape }: Node): string {
    switch (source.kind) {
      case 'input': {
        const name = this.inputNames[source.index]!;
        if (dtype !== 'i32') return name;
        let cast = this.#inputs.get(source.index);
        if (cast === undefined) this.#inputs.set(source.index, (cast = this.to.add('Cast', [name], { to: { int: onnxTypes.int32 } })));
        return cast;
      }
      case 'variable': return this.weight(source.variable);
      case 'data': return this.to.stored(source.data, onnxTypeOf[dtype], shape);
      case 'storage': throw new OnnxError('onnx: the function reads a tensor that a device computed; take its data first (await tensor.data()) and make a tensor of them');
      case 'parameter': throw new Error('internal: a stand-in after lowering');
    }
  }
}

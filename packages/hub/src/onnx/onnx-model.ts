/** ONNX from any traced function: the graph IR in, a model out. */
import { lowerFused, lowerGraph, topologicalOrder, trace, zeros, type DType, type Node, type Shape, type Tensor, type TypedArray, type Variable } from '@ashlar/tensor';
import { fusedOperators } from './fused-operators.js';
import { GraphBuilder, onnxTypeOf } from './graph-builder.js';
import { emitPrimitive, opset } from './primitives.js';
import { OnnxError, onnxTypes, type OnnxModel, type OnnxType } from './onnx-format.js';

export interface OnnxModelOptions {
  /** Shapes and dtypes of what the model takes, by name. i32 and u32 become int64, as runtimes and their users expect of token ids. */
  readonly inputs: Readonly<Record<string, { readonly shape: Shape; readonly dtype: DType }>>;
  /** Names of weights in the file; a variable that is not among them gets its own name. */
  readonly parameters?: ReadonlyMap<string, Variable>;
  /** Of the graph; default `model`. */
  readonly name?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * An ONNX model (opset 23) of a function of tensors: its inputs and results are named by the keys of `inputs` and of what
 * it returns. Shapes are fixed. Weights that it reads become initializers under their names, shared ones once.
 * @throws {OnnxError} where the function assigns variables, or ONNX has no operator for what it computes.
 */
export async function onnxModel(f: (inputs: Readonly<Record<string, Tensor>>) => Readonly<Record<string, Tensor>>, options: OnnxModelOptions): Promise<OnnxModel> {
  const inputNames = Object.keys(options.inputs);
  const { graph: traced, result } = trace(f, Object.fromEntries(Object.entries(options.inputs).map(([name, { shape, dtype }]) => [name, zeros(shape, dtype)])));
  if (traced.updates.length > 0) throw new OnnxError(`onnx: the function assigns ${traced.updates[0]!.variable.name}, and an ONNX graph changes nothing; export one that only reads`);
  const graph = lowerGraph(traced, (node) => node.op.kind === 'fused' && Object.hasOwn(fusedOperators, node.op.op.name));

  const outputNames = Object.keys(result), names = new Map([...(options.parameters ?? [])].map(([name, variable]) => [variable, name]));
  const weights = await contentsOf(graph.outputs);
  const to = new GraphBuilder([...inputNames, ...outputNames, ...names.values()]);
  const emitter = new Emitter(to, inputNames, (variable) => to.weight(names.get(variable) ?? variable.name, weights.get(variable)!, onnxTypeOf[variable.dtype], variable.shape));
  emitter.add(graph.outputs);
  graph.outputs.forEach((node, i) => to.add('Identity', [emitter.nameOf(node)], {}, { output: outputNames[i]! }));
  return {
    name: options.name ?? 'model', opset, ...to.needed(outputNames), metadata: options.metadata ?? {},
    inputs: inputNames.map((name) => ({ name, type: outerType(options.inputs[name]!.dtype), shape: options.inputs[name]!.shape })),
    outputs: outputNames.map((name, i) => ({ name, type: onnxTypeOf[graph.outputs[i]!.dtype], shape: graph.outputs[i]!.shape })),
  };
}

const outerType = (dtype: DType): OnnxType => (dtype === 'i32' ? 'int64' : onnxTypeOf[dtype]);

/** What the variables of a graph hold now. */
async function contentsOf(roots: readonly Node[]): Promise<Map<Variable, TypedArray>> {
  const found = new Map<Variable, TypedArray>();
  for (const { op } of topologicalOrder(roots)) if (op.kind === 'leaf' && op.source.kind === 'variable') found.set(op.source.variable, await op.source.variable.read());
  return found;
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
    if (op.kind !== 'result') return emitPrimitive(this.to, node, inputs.map((input) => this.#names.get(input)!));
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

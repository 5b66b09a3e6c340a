/** Walking and rewriting graphs. */
import type { Node } from './node.js';
import { make } from './node.js';
import type { Variable } from './variable.js';

/** A function of tensors, traced: what to compute, from what, and which variables take a new value. */
export interface Graph {
  /** Leaves with source `input`, by index. */
  readonly inputs: readonly Node[];
  readonly outputs: readonly Node[];
  readonly updates: readonly { readonly variable: Variable; readonly value: Node }[];
}

export const rootsOf = (graph: Graph): Node[] => [...graph.outputs, ...graph.updates.map((update) => update.value)];

/** Every node that the roots need, operands first. Iterative: graphs are deep. */
export function topologicalOrder(roots: readonly Node[]): Node[] {
  const done = new Set<Node>(), order: Node[] = [];
  const stack: { node: Node; next: number }[] = [];
  for (const root of roots) {
    if (!done.has(root)) stack.push({ node: root, next: 0 });
    while (stack.length > 0) {
      const frame = stack[stack.length - 1]!;
      if (done.has(frame.node)) { stack.pop(); continue; }
      const input = frame.node.inputs[frame.next++];
      if (input === undefined) { done.add(frame.node); order.push(frame.node); stack.pop(); }
      else if (!done.has(input)) stack.push({ node: input, next: 0 });
    }
  }
  return order;
}

/** A node like `node` with other operands; it keeps its place in the order. */
const withInputs = (node: Node, inputs: readonly Node[]): Node =>
  inputs.every((input, i) => input === node.inputs[i]) ? node : make(node.op, inputs, node.shape, node.dtype, node.order);

/** Rebuilds what `roots` need, operands first, passing each node (with its rewritten operands) through `visit`. */
export function rewrite(roots: readonly Node[], visit: (node: Node, original: Node) => Node, seed: ReadonlyMap<Node, Node> = new Map()): Node[] {
  const map = new Map(seed);
  for (const node of topologicalOrder(roots)) {
    if (!map.has(node)) map.set(node, visit(withInputs(node, node.inputs.map((input) => map.get(input)!)), node));
  }
  return roots.map((root) => map.get(root)!);
}

/** Applies a rewriting of roots to a graph. */
export function mapGraph(graph: Graph, transform: (roots: Node[]) => Node[]): Graph {
  const roots = transform(rootsOf(graph));
  return {
    inputs: graph.inputs,
    outputs: roots.slice(0, graph.outputs.length),
    updates: graph.updates.map(({ variable }, i) => ({ variable, value: roots[graph.outputs.length + i]! })),
  };
}

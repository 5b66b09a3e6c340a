/**
 * Which nodes are kept in memory. Everything else is computed where it is used, as part of another kernel.
 * A node is kept when its consumer cannot compute it in place (a matrix product's operand), or when several kernels need
 * it and computing it again would read more memory, or cost more, than keeping it.
 */
import { topologicalOrder } from './graph.js';
import { addIndex, constantIndex, factorOf, flatten, isAffine, loopIndex, reshapeIndex, scaleIndex } from './index-algebra.js';
import type { Index } from './kernel.js';
import { sizeOf, type Node } from './node.js';

/** A node seen through views: a strided window on `base`, in row-major elements of the base. */
export interface StridedView { readonly base: Node; readonly offset: number; readonly strides: readonly number[] }

/** Nodes that this one waits for and does not read. */
export const waitsFor = (node: Node): readonly Node[] => (node.op.kind === 'barrier' ? node.inputs.slice(1) : []);

/** Whether the node is a view whose elements are its operand's, moved. */
const isView = (node: Node): boolean => waitsFor(node).length === 0 && ['reshape', 'permute', 'expand', 'slice', 'flip', 'barrier'].includes(node.op.kind);

/** Looks through views as long as they are strided windows; undefined where a reshape of a permutation needs a copy. */
export function viewOf(node: Node): StridedView | undefined {
  const space = node.shape;
  let index: Index[] = space.map((_, axis) => loopIndex(axis)), at = node;
  while (isView(at)) {
    const { op } = at, inner = at.inputs[0]!;
    if (op.kind === 'reshape') index = reshapeIndex(index, at.shape, inner.shape, space);
    else if (op.kind === 'permute') index = inner.shape.map((_, axis) => index[op.axes.indexOf(axis)]!);
    else if (op.kind === 'expand') index = index.map((i, axis) => (inner.shape[axis] === 1 ? constantIndex(0) : i));
    else if (op.kind === 'slice') index = index.map((i, axis) => addIndex(scaleIndex(i, op.steps[axis]!), constantIndex(op.starts[axis]!)));
    else if (op.kind === 'flip') { const size = at.shape; index = index.map((i, axis) => (op.axes.includes(axis) ? addIndex(scaleIndex(i, -1), constantIndex(size[axis]! - 1)) : i)); }
    at = inner;
  }
  const position = flatten(index, at.shape);
  return isAffine(position) ? { base: at, offset: position.base, strides: space.map((_, axis) => factorOf(position, axis)) } : undefined;
}

/** Operands that a kernel reads as strided windows; the others are inlined. */
export function windowOperands(node: Node): readonly number[] {
  switch (node.op.kind) {
    case 'dot': case 'scatterAdd': return [0, 1];
    case 'fused': return node.inputs.map((_, i) => i);
    default: return [];
  }
}

const isForced = (node: Node): boolean => waitsFor(node).length > 0 || ['leaf', 'reduce', 'concat', 'dot', 'scatterAdd', 'result'].includes(node.op.kind);
const expensive = new Set(['exp', 'log', 'sin', 'cos', 'tanh', 'erf', 'pow']);

/** Beyond this many arrays to read, or this many operations on each other, even an expression with one user is kept. */
const loadLimit = 4, depthLimit = 100;

/** Beyond this many operations a shared expression is kept rather than computed again. */
const operationLimit = 24;

/** The nodes to keep. `fuse` off: every node that is not a view. */
export function keptNodes(roots: readonly Node[], fuse: boolean): Set<Node> {
  const order = topologicalOrder(roots);
  const forced = new Set<Node>(roots);
  for (const node of order) {
    if (isForced(node) || (!fuse && !isView(node) && node.op.kind !== 'fused')) forced.add(node);
    for (const i of windowOperands(node)) {
      const view = viewOf(node.inputs[i]!);
      forced.add(view && view.base.op.kind !== 'fused' ? view.base : node.inputs[i]!);
    }
    for (const other of waitsFor(node)) forced.add(viewOf(other)?.base ?? other);
    if (node.op.kind === 'gather') {
      const view = viewOf(node.inputs[0]!);
      forced.add(view ? view.base : node.inputs[0]!);
    }
    // What is costly and then repeated is computed once, before it is repeated.
    if (node.op.kind === 'expand' && sizeOf(node.shape) > 1 && costOf(node.inputs[0]!, forced).expensive > 0) {
      const view = viewOf(node.inputs[0]!);
      if (view) forced.add(view.base);
    }
  }
  if (!fuse) return forced;

  const consumers = new Map<Node, Node[]>();
  for (const node of order) for (const input of node.inputs) (consumers.get(input) ?? consumers.set(input, []).get(input)!).push(node);
  let kept = forced;
  for (let round = 0; round < 2; round++) { // the second round knows what the first one keeps
    const previous = kept, next = new Set(forced);
    const reach = new Map<Node, Set<Node>>(); // the kept nodes whose kernels would compute this node
    for (let i = order.length - 1; i >= 0; i--) {
      const node = order[i]!, users = new Set<Node>();
      for (const consumer of consumers.get(node) ?? []) {
        if (next.has(consumer)) users.add(consumer);
        else for (const user of reach.get(consumer)!) users.add(user);
      }
      reach.set(node, users);
      if (next.has(node) || isView(node) || node.op.kind === 'scalar' || node.op.kind === 'iota' || node.op.kind === 'fused') continue;
      const cost = costOf(node, previous);
      if (users.size > 1 && (cost.loads > 1 || cost.expensive > 1 || cost.operations > operationLimit)) next.add(node);
    }
    kept = next;
  }
  keepLong(order, kept);
  return kept;
}

/** Keeps parts of expressions that read many arrays, so that not all of them must wait for one kernel, or that are deep. */
function keepLong(order: readonly Node[], kept: Set<Node>): void {
  const known = new Map<Node, { readonly loads: ReadonlySet<Node>; readonly depth: number }>();
  for (const node of order) {
    const loads = new Set<Node>(), size = sizeOf(node.shape);
    let depth = 0;
    for (const input of node.inputs) {
      const below = kept.has(input) ? undefined : known.get(input);
      for (const load of below?.loads ?? [input]) if (sizeOf(load.shape) * 2 >= size) loads.add(load);
      depth = Math.max(depth, 1 + (below?.depth ?? 0));
    }
    if ((loads.size > loadLimit || depth > depthLimit) && !isView(node) && !kept.has(node) && node.op.kind !== 'fused') kept.add(node);
    known.set(node, { loads, depth });
  }
}

/** What computing a node in place costs: arrays of its own size to read, operations an element. */
function costOf(root: Node, kept: ReadonlySet<Node>): { loads: number; expensive: number; operations: number } {
  const seen = new Set<Node>(), stack = [root], size = sizeOf(root.shape);
  let loads = 0, costly = 0, operations = 0;
  while (stack.length > 0) {
    const node = stack.pop()!;
    if (seen.has(node)) continue;
    seen.add(node);
    if (node !== root && (kept.has(node) || isForced(node))) { if (sizeOf(node.shape) * 2 >= size) loads++; continue; }
    const { op } = node;
    if (op.kind === 'random') operations += 100;
    else if (op.kind === 'gather') loads += 2; // a row number and a row
    else if (op.kind === 'unary' || op.kind === 'binary' || op.kind === 'select' || op.kind === 'cast') operations++;
    if ((op.kind === 'unary' || op.kind === 'binary') && expensive.has(op.op)) costly++;
    if (seen.size > 4096) return { loads: Infinity, expensive: costly, operations };
    stack.push(...node.inputs);
  }
  return { loads, expensive: costly, operations };
}

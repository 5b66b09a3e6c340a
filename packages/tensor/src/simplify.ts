/** Graph-to-graph passes: fused operations without a kernel become primitives; equal nodes become one; algebra. */
import { inlineCheckpoints } from './autodiff.js';
import { isFloat } from './dtype.js';
import { mapGraph, rewrite, type Graph } from './graph.js';
import * as n from './node.js';
import type { Node } from './node.js';
import { Tensor } from './tensor.js';

/** Replaces fused nodes for which `keep` is false by their reference, however deep. */
export function lowerFused(roots: readonly Node[], keep: (node: Node) => boolean): Node[] {
  const references = new Map<Node, Node[]>();
  return rewrite(roots, (node) => {
    if (node.op.kind !== 'result') return node;
    const parent = node.inputs[0]!;
    if (parent.op.kind !== 'fused' || keep(parent)) return node;
    let outputs = references.get(parent);
    if (!outputs) {
      const { op, attributes } = parent.op, before = n.nextOrder();
      const expanded = op.reference(parent.inputs.map((input) => new Tensor(input)), attributes).map((tensor) => tensor.node);
      // The new nodes take the place of the node they stand for, so that they are scheduled there.
      const placed = rewrite(expanded, (inner, original) => (original.order < before ? original : n.make(inner.op, inner.inputs, inner.shape, inner.dtype, parent.order)));
      references.set(parent, (outputs = lowerFused(placed, keep)));
    }
    return outputs[node.op.index]!;
  });
}

/**
 * A graph without checkpoints, and without fused operations save those for which `keep` is true; equal nodes are one, and
 * the algebra is done. For whoever turns graphs into another form.
 */
export const lowerGraph = (graph: Graph, keep: (node: Node) => boolean): Graph =>
  mapGraph(graph, (roots) => shareEqual(simplify(shareEqual(lowerFused(inlineCheckpoints(roots), keep)))));

/** Merges equal nodes. Unique barriers, and fused nodes by identity of their attributes, stay apart. */
export function shareEqual(roots: readonly Node[]): Node[] {
  const known = new Map<string, Node>(), ids = new Map<object, number>();
  const id = (object: object): number => {
    let value = ids.get(object);
    if (value === undefined) ids.set(object, (value = ids.size));
    return value;
  };
  return rewrite(roots, (node, original) => {
    const { op } = node;
    if ((op.kind === 'barrier' && op.unique) || op.kind === 'checkpoint') return node;
    const parameters = op.kind === 'leaf' ? String(id(original)) : op.kind === 'fused' ? `${op.op.name}${attributesKey(op.attributes, id)}`
      : op.kind === 'scalar' ? (Object.is(op.value, -0) ? '-0' : String(op.value)) : JSON.stringify(op);
    const key = `${op.kind}|${parameters}|${node.inputs.map(id).join(',')}|${node.shape.join(',')}|${node.dtype}`;
    const before = known.get(key);
    if (before) return before;
    known.set(key, node);
    return node;
  });
}

const attributesKey = (attributes: Readonly<Record<string, unknown>>, id: (object: object) => number): string =>
  Object.entries(attributes).map(([name, value]) => `;${name}=${typeof value === 'object' && value !== null ? `#${id(value)}` : String(value)}`).join('');

/** Identities that hold for every float, and the gradients' typical patterns. */
export function simplify(roots: readonly Node[]): Node[] {
  return rewrite(roots, (node) => simplifyNode(node));
}

/** The number that every element of the node is, if it is plain to see. */
function uniform(node: Node): number | undefined {
  while (node.op.kind === 'expand' || node.op.kind === 'reshape' || node.op.kind === 'permute') node = node.inputs[0]!;
  return node.op.kind === 'scalar' ? node.op.value : undefined;
}

/** What `build` makes, at the place of the node it replaces; a node that was there before stays as it is. */
function at(order: number, build: () => Node): Node {
  const before = n.nextOrder(), node = build();
  return node.order >= before ? { ...node, order } : node;
}

function simplifyNode(node: Node): Node {
  const { op } = node, [x, y, z] = node.inputs;
  switch (op.kind) {
    case 'barrier': return op.unique ? node : x!;
    case 'binary': return simplifyBinary(node, op.op, x!, y!);
    case 'select': return y === z ? y! : node;
    case 'unary': return op.op === 'neg' && x!.op.kind === 'unary' && x!.op.op === 'neg' ? x!.inputs[0]! : node;
    case 'reshape': return at(node.order, () => n.reshape(x!, node.shape));
    case 'permute': return at(node.order, () => n.permute(x!, op.axes));
    case 'cast': return x!.dtype === node.dtype ? x! : x!.op.kind === 'scalar' && isFloat(node.dtype) && x!.dtype !== 'bool' ? at(node.order, () => n.scalar((x!.op as { value: number }).value, node.dtype)) : node;
    case 'expand': return x!.op.kind === 'expand' ? at(node.order, () => n.expand(x!.inputs[0]!, node.shape)) : node;
    case 'reduce': return simplifyReduce(node, op.axes, x!);
    case 'concat': return flattenConcat(node, op.axis);
    default: return node;
  }
}

function simplifyBinary(node: Node, op: string, x: Node, y: Node): Node {
  const a = uniform(x), b = uniform(y);
  switch (op) {
    case 'add': return b === 0 ? x : a === 0 ? y : joinPads(node, x, y) ?? node;
    case 'sub': return b === 0 ? x : node;
    case 'mul': return b === 1 ? x : a === 1 ? y : node;
    case 'div': {
      if (b === 1) return x;
      // Division by a constant is multiplication by its reciprocal (within one rounding).
      return b !== undefined && b !== 0 && isFloat(node.dtype) && Number.isFinite(1 / b)
        ? at(node.order, () => n.binary('mul', x, n.broadcastTo(n.scalar(1 / b, node.dtype), node.shape))) : node;
    }
    case 'pow': return b === 1 ? x : b === 2 ? at(node.order, () => n.binary('mul', x, x)) : node;
    default: return node;
  }
}

/** Sums of reduced sums are one sum; axes of size 1 need no reduction. */
function simplifyReduce(node: Node, axes: readonly number[], x: Node): Node {
  const real = axes.filter((axis) => x.shape[axis] !== 1);
  if (real.length === axes.length) return node;
  const { op } = node.op as Extract<Node['op'], { kind: 'reduce' }>;
  const reduced = real.length === 0 ? x : at(node.order, () => n.reduce(op, x, real));
  return at(node.order, () => n.reshape(reduced, node.shape));
}

/** Sums of all of a large tensor go in two stages, whose first has rows to share out: the largest divisor up to this. */
const mostRows = 64, largeSum = 4096;

/** Cuts full reductions of large tensors into rows. */
export function splitReductions(roots: readonly Node[]): Node[] {
  return rewrite(roots, (node) => {
    if (node.op.kind !== 'reduce' || n.sizeOf(node.shape) !== 1) return node;
    const [x] = node.inputs as [Node], count = n.sizeOf(x.shape), { op } = node.op;
    let rows = mostRows;
    while (count % rows !== 0) rows--;
    if (count < largeSum || rows === 1 || (x.op.kind === 'reshape' && x.shape.length === 2 && x.shape[0] === rows)) return node;
    return at(node.order, () => n.reshape(n.reduce(op, at(node.order, () => n.reduce(op, n.reshape(x, [rows, count / rows]), [1])), [0]), node.shape));
  });
}

/** Where an operand is zero-padded along one axis: the axis and the range of the data. */
function paddedRange(node: Node): { axis: number; from: number; to: number; inner: Node } | undefined {
  if (node.op.kind !== 'pad') return undefined;
  const { low, high } = node.op, axes = low.map((_, i) => i).filter((i) => low[i] !== 0 || high[i] !== 0);
  const axis = axes[0];
  return axes.length === 1 && axis !== undefined ? { axis, from: low[axis]!, to: node.shape[axis]! - high[axis]!, inner: node.inputs[0]! } : undefined;
}

/** pad(a) + pad(b) over neighbouring ranges of one axis is (a pad of) their concatenation: the gradient of a split. */
function joinPads(node: Node, x: Node, y: Node): Node | undefined {
  const a = paddedRange(x), b = paddedRange(y);
  if (!a || !b || a.axis !== b.axis || (a.to !== b.from && b.to !== a.from)) return undefined;
  const [first, second] = a.to === b.from ? [a, b] : [b, a];
  const joined = flattenConcat(at(node.order, () => n.concat([first.inner, second.inner], a.axis)), a.axis);
  const size = node.shape[a.axis]!;
  const zero = node.shape.map(() => 0);
  return at(node.order, () => n.pad(joined, zero.with(a.axis, first.from), zero.with(a.axis, size - second.to)));
}

function flattenConcat(node: Node, axis: number): Node {
  const parts = node.inputs.flatMap((part) => (part.op.kind === 'concat' && part.op.axis === axis ? part.inputs : [part])).filter((part) => part.shape[axis] !== 0);
  return parts.length === node.inputs.length || parts.length === 0 ? node : at(node.order, () => n.concat(parts, axis));
}

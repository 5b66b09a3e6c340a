/** Reverse-mode automatic differentiation on the graph, and checkpointing. */
import { isFloat } from './dtype.js';
import { rewrite, topologicalOrder } from './graph.js';
import * as n from './node.js';
import type { Node } from './node.js';
import { Tensor, full, scalar, scatterAdd, where, zeros } from './tensor.js';

/**
 * ∂target/∂each of `wrt`, where `target` is a scalar, or Σ cotangent · ∂target/∂wrt for a given cotangent.
 * A tensor that the target does not depend on gets zeros. With `onto`, each gradient is added to the tensor given for it:
 * while the others are still under way, so that no gradient is kept beside its sum.
 * @throws {TypeError} where the target or one of `wrt` is not float, the target is no scalar and no cotangent is given, or
 * `onto` is not a tensor of the same shape and dtype for each of `wrt`, which must then be inputs or variables, each once.
 */
export function gradients(target: Tensor, wrt: readonly Tensor[], { cotangent, onto }: { readonly cotangent?: Tensor; readonly onto?: readonly Tensor[] } = {}): Tensor[] {
  if (!isFloat(target.dtype)) throw new TypeError(`gradients: the target must be float, got ${target.dtype}`);
  for (const x of wrt) if (!isFloat(x.dtype)) throw new TypeError(`gradients: cannot differentiate with respect to a ${x.dtype} tensor`);
  if (!cotangent && target.size !== 1) throw new TypeError(`gradients: the target must have one element, got ${n.show(target.shape)}; reduce it, or give a cotangent`);
  if (cotangent && !n.sameShape(cotangent.shape, target.shape)) throw new TypeError(`gradients: the cotangent's shape ${n.show(cotangent.shape)} is not the target's ${n.show(target.shape)}`);
  if (onto) checkSums(onto, wrt);
  return pull([target], [cotangent ?? full(target.shape, 1, target.dtype)], wrt, onto).map((g, i) => g ?? zeros(wrt[i]!.shape, wrt[i]!.dtype));
}

/** Gradients are added where they arise: what they belong to must have no other gradient that passes through. */
function checkSums(onto: readonly Tensor[], wrt: readonly Tensor[]): void {
  if (onto.length !== wrt.length || wrt.some((x, i) => !n.sameShape(x.shape, onto[i]!.shape) || x.dtype !== onto[i]!.dtype)) {
    throw new TypeError(`gradients: onto must be tensors like those to differentiate by (${wrt.map(({ dtype, shape }) => `${dtype} ${n.show(shape)}`).join(', ')}), got ${onto.map(({ dtype, shape }) => `${dtype} ${n.show(shape)}`).join(', ')}`);
  }
  if (new Set(wrt.map((x) => x.node)).size < wrt.length || wrt.some((x) => x.node.op.kind !== 'leaf')) throw new TypeError('gradients: with onto, all to differentiate by must be inputs or variables, each once');
}

/** `grad(f)(x, …)` is ∂f/∂x: the gradient of a scalar function in its first argument (a tensor or an array of tensors). */
export const grad = <X extends Tensor | readonly Tensor[], A extends readonly unknown[]>(f: (x: X, ...rest: A) => Tensor) =>
  (x: X, ...rest: A): X => valueAndGrad(f)(x, ...rest).gradient;

/** Like `grad`, with the value. */
export const valueAndGrad = <X extends Tensor | readonly Tensor[], A extends readonly unknown[]>(f: (x: X, ...rest: A) => Tensor) =>
  (x: X, ...rest: A): { value: Tensor; gradient: X } => {
    const value = f(x, ...rest);
    const list = x instanceof Tensor ? [x] : (x as readonly Tensor[]);
    const result = gradients(value, list);
    return { value, gradient: (x instanceof Tensor ? result[0] : result) as unknown as X };
  };

/**
 * `f`, whose intermediate values are not kept for the backward pass but computed again there: memory for time.
 * `f` may use tensors and variables from outside; they are kept.
 */
export const checkpoint = <A extends readonly Tensor[], R extends Tensor | readonly Tensor[]>(f: (...args: A) => R) => (...args: A): R => {
  const first = n.nextOrder();
  const result = f(...args);
  const outputs = (result instanceof Tensor ? [result] : (result as readonly Tensor[])).map((tensor) => tensor.node);
  // Whatever existed before the body ran, and every leaf, is an operand; the rest is the body.
  const parameters = new Map<Node, Node>();
  const seed = new Map<Node, Node>();
  for (const node of reachedWithin(outputs, first)) {
    if (node.order >= first && node.op.kind !== 'leaf') continue;
    const stand = n.leaf({ kind: 'parameter' }, node.shape, node.dtype);
    parameters.set(node, stand);
    seed.set(node, stand);
  }
  const body = { inputs: [...parameters.values()], outputs: rewrite(outputs, (node) => node, seed) };
  const whole = n.make({ kind: 'checkpoint', body }, [...parameters.keys()], [], 'f32');
  const results = outputs.map((output, index) => new Tensor(n.make({ kind: 'result', index }, [whole], output.shape, output.dtype)));
  return (result instanceof Tensor ? results[0] : results) as R;
};

/** Nodes of a body and the first nodes outside it. `result` nodes are taken with the node they belong to. */
function reachedWithin(roots: readonly Node[], first: number): Node[] {
  const seen = new Set<Node>(), stack = [...roots];
  while (stack.length > 0) {
    const node = stack.pop()!;
    if (seen.has(node)) continue;
    seen.add(node);
    if (node.order >= first && node.op.kind !== 'leaf') stack.push(...node.inputs);
  }
  return [...seen];
}

/** Replaces a checkpoint body's stand-ins: its outputs as functions of other operands, as fresh nodes. */
function instantiate(body: { inputs: readonly Node[]; outputs: readonly Node[] }, operands: readonly Node[]): Node[] {
  return rewrite(body.outputs, (node) => (node.inputs.length === 0 ? node : n.make(node.op, node.inputs, node.shape, node.dtype)), new Map(body.inputs.map((input, i) => [input, operands[i]!])));
}

/** Puts checkpoint bodies in place of their nodes (inner ones too), keeping the nodes' order. */
export function inlineCheckpoints(roots: readonly Node[]): Node[] {
  const expanded = new Map<Node, Node[]>();
  const map = new Map<Node, Node>();
  for (const node of topologicalOrder(roots)) {
    const inputs = node.inputs.map((input) => map.get(input)!);
    if (node.op.kind === 'checkpoint') {
      const { body } = node.op;
      const outputs = rewrite(body.outputs, (inner) => inner, new Map(body.inputs.map((input, i) => [input, inputs[i]!])));
      expanded.set(node, inlineCheckpoints(outputs));
      map.set(node, node);
    } else if (node.op.kind === 'result' && node.inputs[0]!.op.kind === 'checkpoint') {
      map.set(node, expanded.get(node.inputs[0]!)![node.op.index]!);
    } else {
      map.set(node, inputs.every((input, i) => input === node.inputs[i]) ? node : n.make(node.op, inputs, node.shape, node.dtype, node.order));
    }
  }
  return roots.map((root) => map.get(root)!);
}

/** Pulls cotangents of `targets` back to `wrt`, added to `onto`. */
function pull(targets: readonly Tensor[], cotangents: readonly (Tensor | undefined)[], wrt: readonly Tensor[], onto?: readonly Tensor[]): (Tensor | undefined)[] {
  const order = topologicalOrder(targets.map((target) => target.node));
  const needed = new Set<Node>(wrt.map((x) => x.node));
  for (const node of order) if (node.inputs.some((input) => needed.has(input))) needed.add(node);

  const sums = new Map<Node, Tensor>(onto?.map((sum, i) => [wrt[i]!.node, sum]));
  const accumulate = (node: Node, gradient: Tensor | undefined): void => {
    if (!gradient || !needed.has(node)) return;
    const before = sums.get(node);
    sums.set(node, before ? before.add(gradient) : gradient);
  };
  targets.forEach((target, i) => accumulate(target.node, cotangents[i]));

  const resultsOf = new Map<Node, Node[]>(); // of fused and checkpoint nodes, by index
  for (const node of order) if (node.op.kind === 'result') {
    const parent = node.inputs[0]!, list = resultsOf.get(parent) ?? [];
    list[node.op.index] = node;
    resultsOf.set(parent, list);
  }
  const stop = new Set(wrt.map((x) => x.node));
  for (const node of order.reverse()) {
    if (!needed.has(node) || (stop.has(node) && !node.inputs.some((input) => needed.has(input)))) continue;
    const { op } = node;
    if (op.kind === 'fused' || op.kind === 'checkpoint') {
      const results = resultsOf.get(node) ?? [];
      if (!results.some((result) => result && sums.has(result))) continue;
      const inputs = node.inputs.map((input) => new Tensor(input));
      if (op.kind === 'checkpoint') {
        const again = node.inputs.map((input) => n.barrier(input, true));
        const differentiable = node.inputs.map((input, i) => i).filter((i) => isFloat(node.inputs[i]!.dtype) && needed.has(node.inputs[i]!));
        const outputs = instantiate(op.body, again).map((output) => new Tensor(output));
        const pulled = pull(outputs, outputs.map((_, i) => (results[i] ? sums.get(results[i]) : undefined)), differentiable.map((i) => new Tensor(again[i]!)));
        differentiable.forEach((i, k) => accumulate(node.inputs[i]!, pulled[k]));
      } else if (op.op.vjp) {
        const shapes = op.op.outputs(node.inputs, op.attributes);
        const outputs = shapes.map(({ shape, dtype }, index) => new Tensor(results[index] ?? n.make({ kind: 'result', index }, [node], shape, dtype)));
        const saved = { inputs, outputs, cotangents: outputs.map((output) => sums.get(output.node) ?? zeros(output.shape, output.dtype)), attributes: op.attributes, wants: (i: number) => needed.has(node.inputs[i]!) };
        op.op.vjp(saved).forEach((gradient, i) => accumulate(node.inputs[i]!, gradient));
      } else {
        const copies = inputs.map((input) => new Tensor(n.barrier(input.node, false)));
        const outputs = op.op.reference(copies, op.attributes);
        const differentiable = inputs.map((_, i) => i).filter((i) => isFloat(inputs[i]!.dtype) && needed.has(node.inputs[i]!));
        const pulled = pull(outputs, outputs.map((_, i) => (results[i] ? sums.get(results[i]) : undefined)), differentiable.map((i) => copies[i]!));
        differentiable.forEach((i, k) => accumulate(node.inputs[i]!, pulled[k]));
      }
      continue;
    }
    const cotangent = sums.get(node);
    if (!cotangent || op.kind === 'result') continue;
    backward(node, cotangent, (i) => needed.has(node.inputs[i]!)).forEach((gradient, i) => accumulate(node.inputs[i]!, gradient));
  }
  return wrt.map((x) => sums.get(x.node));
}

/** The cotangents of a primitive's operands. `wants(i)` says whether operand i's is needed. */
function backward(node: Node, g: Tensor, wants: (i: number) => boolean): (Tensor | undefined)[] {
  const { op } = node;
  const [x, y] = node.inputs.map((input) => new Tensor(input));
  const value = new Tensor(node);
  switch (op.kind) {
    case 'unary': return [unaryGradient(op.op, x!, value, g)];
    case 'binary': return isFloat(node.dtype) ? binaryGradient(op.op, x!, y!, value, g, wants) : [];
    case 'select': return [undefined, wants(1) ? where(x!, g, 0) : undefined, wants(2) ? where(x!, 0, g) : undefined];
    case 'cast': return isFloat(node.dtype) && isFloat(x!.dtype) ? [g.cast(x!.dtype)] : [];
    case 'reduce': {
      const kept = x!.shape.map((size, i) => (op.axes.includes(i) ? 1 : size));
      const spread = g.reshape(kept).broadcastTo(x!.shape);
      if (op.op === 'sum') return [spread];
      const ties = x!.eq(value.reshape(kept)).cast(x!.dtype);
      return [spread.mul(ties).div(ties.sum([...op.axes], { keepDims: true }))];
    }
    case 'reshape': return [g.reshape(x!.shape)];
    case 'permute': return [g.permute(...op.axes.map((_, i) => op.axes.indexOf(i)))];
    case 'expand': {
      const repeated = x!.shape.map((_, i) => i).filter((i) => x!.shape[i] !== node.shape[i]);
      return [g.sum(repeated, { keepDims: true })];
    }
    case 'slice': return [unslice(g, x!.shape, op.starts, op.steps)];
    case 'pad': return [new Tensor(n.slice(g.node, op.low, x!.shape))];
    case 'flip': return [g.flip(...op.axes)];
    case 'concat': {
      let start = 0;
      return node.inputs.map((input, i) => {
        const from = start;
        start += input.shape[op.axis]!;
        return wants(i) ? new Tensor(n.slice(g.node, node.shape.map((_, axis) => (axis === op.axis ? from : 0)), input.shape)) : undefined;
      });
    }
    case 'gather': {
      if (!wants(0)) return [];
      const rows = x!.shape[0]!, count = y!.size;
      const clamped = y!.reshape([count]).cast('i32').maximum(0).minimum(rows - 1);
      return [scatterAdd(clamped, g.reshape([count, x!.size / rows]), rows).reshape(x!.shape)];
    }
    case 'scatterAdd': {
      const inside = x!.cast('i32').ge(0).and(x!.cast('i32').lt(op.rows));
      return [undefined, op.rows === 0 ? undefined : where(inside.reshape([x!.size, 1]), g.gather(x!), 0)];
    }
    case 'dot': return [
      wants(0) ? product(g, y!.transpose(), x!) : undefined,
      wants(1) ? product(x!.transpose(), g, y!) : undefined,
    ];
    default:
      return []; // leaves, constants, integers, random bits, barriers
  }
}

/** a · b, the gradient of `operand`: computed as (bᵀ aᵀ)ᵀ where the operand is a transposed view, whose own gradient is then the product as it is stored. */
function product(a: Tensor, b: Tensor, operand: Tensor): Tensor {
  const { op } = operand.node, rank = operand.rank;
  const transposed = op.kind === 'permute' && op.axes[rank - 1] === rank - 2 && op.axes[rank - 2] === rank - 1;
  return transposed ? new Tensor(n.dot(b.transpose().node, a.transpose().node)).transpose() : new Tensor(n.dot(a.node, b.node));
}

function unaryGradient(op: string, x: Tensor, y: Tensor, g: Tensor): Tensor | undefined {
  switch (op) {
    case 'neg': return g.neg();
    case 'abs': return g.mul(x.sign());
    case 'exp': return g.mul(y);
    case 'log': return g.div(x);
    case 'sin': return g.mul(x.cos());
    case 'cos': return g.mul(x.sin()).neg();
    case 'tanh': return g.mul(scalar(1, x.dtype).sub(y.square()));
    case 'erf': return g.mul(x.square().neg().exp().mul(2 / Math.sqrt(Math.PI)));
    case 'sqrt': return g.mul(0.5).div(y);
    case 'rsqrt': return g.mul(-0.5).mul(y).mul(y.square());
    case 'reciprocal': return g.mul(y.square()).neg();
    default: return undefined; // sign, floor, ceil, round: zero almost everywhere
  }
}

function binaryGradient(op: string, x: Tensor, y: Tensor, value: Tensor, g: Tensor, wants: (i: number) => boolean): (Tensor | undefined)[] {
  switch (op) {
    case 'add': return [g, g];
    case 'sub': return [g, wants(1) ? g.neg() : undefined];
    case 'mul': return [wants(0) ? g.mul(y) : undefined, wants(1) ? g.mul(x) : undefined];
    case 'div': return [wants(0) ? g.div(y) : undefined, wants(1) ? g.mul(value).div(y).neg() : undefined];
    case 'mod': return [g, wants(1) ? g.mul(x.sub(value).div(y)).neg() : undefined];
    case 'pow': return [
      wants(0) ? g.mul(where(y.eq(0), 0, y.mul(x.pow(y.sub(1))))) : undefined,
      wants(1) ? g.mul(value).mul(where(x.eq(0), 0, x.log())) : undefined,
    ];
    case 'max': case 'min': { // ties share the gradient
      const first = op === 'max' ? y.lt(x) : x.lt(y), tie = x.eq(y);
      return [g.mul(where(first, 1, where(tie, scalar(0.5, x.dtype), 0))), g.mul(where(first, 0, where(tie, scalar(0.5, x.dtype), 1)))];
    }
    default: return [];
  }
}

/** The transpose of slicing: `g` put back among zeros. */
function unslice(g: Tensor, shape: n.Shape, starts: readonly number[], steps: readonly number[]): Tensor {
  let spread = g;
  steps.forEach((step, axis) => {
    const count = spread.shape[axis]!;
    if (step === 1 || count === 0) return;
    const apart = spread.reshape([...spread.shape.slice(0, axis + 1), 1, ...spread.shape.slice(axis + 1)]);
    const widened = apart.pad(...apart.shape.map((_, i) => (i === axis + 1 ? [0, step - 1] as const : undefined)));
    const flat = widened.reshape(spread.shape.with(axis, count * step));
    spread = flat.slice(...flat.shape.map((_, i) => (i === axis ? [0, (count - 1) * step + 1] as const : undefined)));
  });
  return spread.pad(...shape.map((size, i) => [starts[i]!, size - starts[i]! - spread.shape[i]!] as const));
}


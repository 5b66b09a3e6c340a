/** From nodes to scalar expressions: what one element of a node is, as a function of its index. */
import { addIndex, constantIndex, flatten, indexKey, loopIndex, reshapeIndex, scaleIndex, valueIndex, bounds } from './index-algebra.js';
import type { Expression, Index, Slot } from './kernel.js';
import type { Node, Shape } from './node.js';
import { parity, rotations } from './random.js';

/** Asks for the element of a node that is kept in memory (or computed by the same kernel); `undefined`: not kept, inline it. */
export type Access = (node: Node, index: readonly Index[], guard: Expression | undefined) => Expression | undefined;

export class Lowering {
  readonly #memo = new Map<Node, Map<string, Expression>>();
  constructor(readonly space: Shape, readonly access: Access) {}

  /** The expression of `node` at `index`. Under a `guard`, loads happen only where it holds. `define`: do not ask for the node itself. */
  element(node: Node, index: readonly Index[], guard?: Expression, define = false): Expression {
    const key = `${index.map(indexKey).join(',')}|${guard ? indexKey(valueIndex(guard)) : ''}`;
    let known = this.#memo.get(node);
    if (!known) this.#memo.set(node, (known = new Map()));
    let expression = known.get(key);
    if (!expression) {
      expression = (define ? undefined : this.access(node, index, guard)) ?? this.#inline(node, index, guard);
      known.set(key, expression);
    }
    return expression;
  }

  #inline(node: Node, index: readonly Index[], guard: Expression | undefined): Expression {
    const { op, dtype } = node;
    const operand = (i: number, at: readonly Index[] = index): Expression => this.element(node.inputs[i]!, at, guard);
    switch (op.kind) {
      case 'scalar': return { kind: 'constant', dtype, value: op.value };
      case 'iota': return { kind: 'index', dtype: 'i32', index: index[0]! };
      case 'unary': return { kind: 'unary', op: op.op, dtype, x: operand(0) };
      case 'binary': return { kind: 'binary', op: op.op, dtype, x: operand(0), y: operand(1) };
      case 'select': return { kind: 'select', dtype, test: operand(0), x: operand(1), y: operand(2) };
      case 'cast': case 'bitcast': return { kind: op.kind, dtype, x: operand(0) };
      case 'barrier': return operand(0);
      case 'reshape': return operand(0, reshapeIndex(index, node.shape, node.inputs[0]!.shape, this.space));
      case 'permute': return operand(0, op.axes.map((_, axis) => index[op.axes.indexOf(axis)]!));
      case 'expand': return operand(0, index.map((at, axis) => (node.inputs[0]!.shape[axis] === 1 ? constantIndex(0) : at)));
      case 'slice': return operand(0, index.map((at, axis) => addIndex(scaleIndex(at, op.steps[axis]!), constantIndex(op.starts[axis]!))));
      case 'flip': return operand(0, index.map((at, axis) => (op.axes.includes(axis) ? addIndex(scaleIndex(at, -1), constantIndex(node.shape[axis]! - 1)) : at)));
      case 'pad': return this.#padded(node, index, guard);
      case 'gather': {
        const [table, indices] = node.inputs as [Node, Node], rank = indices.shape.length;
        const row: Expression = { kind: 'binary', op: 'max', dtype: 'i32', x: { kind: 'constant', dtype: 'i32', value: 0 },
          y: { kind: 'binary', op: 'min', dtype: 'i32', x: { kind: 'constant', dtype: 'i32', value: table.shape[0]! - 1 }, y: asSigned(this.element(indices, index.slice(0, rank), guard)) } };
        return this.element(table, [valueIndex(row), ...index.slice(rank)], guard);
      }
      case 'random': return threefryExpression(this.element(node.inputs[0]!, [constantIndex(0)], guard), this.element(node.inputs[0]!, [constantIndex(1)], guard), flatten(index, node.shape));
      default: throw new Error(`internal: a ${op.kind} node is not an element-wise expression`);
    }
  }

  #padded(node: Node, index: readonly Index[], guard: Expression | undefined): Expression {
    const op = node.op as Extract<Node['op'], { kind: 'pad' }>;
    const tests: Expression[] = guard ? [guard] : [];
    const inner = index.map((at, axis) => {
      const moved = addIndex(at, constantIndex(-op.low[axis]!)), size = node.inputs[0]!.shape[axis]!;
      const [least, most] = bounds(moved, this.space);
      if (least < 0) tests.push(compare('le', constantIndex(0), moved));
      if (most >= size) tests.push(compare('lt', moved, constantIndex(size)));
      return moved;
    });
    const inside = tests.reduce<Expression | undefined>((all, test) => (all ? { kind: 'binary', op: 'and', dtype: 'bool', x: all, y: test } : test), undefined);
    const value = this.element(node.inputs[0]!, inner, inside);
    if (!inside || (value.kind === 'load' && value.guard === inside)) return value;
    return { kind: 'select', dtype: node.dtype, test: inside, x: value, y: { kind: 'constant', dtype: node.dtype, value: 0 } };
  }
}

const asSigned = (x: Expression): Expression => (x.dtype === 'i32' ? x : { kind: 'cast', dtype: 'i32', x });
const compare = (op: 'le' | 'lt', x: Index, y: Index): Expression =>
  ({ kind: 'binary', op, dtype: 'bool', x: { kind: 'index', dtype: 'i32', index: x }, y: { kind: 'index', dtype: 'i32', index: y } });

/** The load of a contiguous slot's element. */
export const loadOf = (slot: Slot, shape: Shape, index: readonly Index[], guard?: Expression): Expression =>
  guard ? { kind: 'load', dtype: slot.dtype, slot, index: flatten(index, shape), guard } : { kind: 'load', dtype: slot.dtype, slot, index: flatten(index, shape) };

export const loops = (from: number, count: number): Index[] => Array.from({ length: count }, (_, i) => loopIndex(from + i));

/** The first word of Threefry-2x32 for counter (position, 0); see random.ts for the algorithm. */
function threefryExpression(key0: Expression, key1: Expression, position: Index): Expression {
  const u32 = (value: number): Expression => ({ kind: 'constant', dtype: 'u32', value });
  const apply = (op: 'add' | 'xor' | 'shl' | 'shr' | 'or', x: Expression, y: Expression): Expression => ({ kind: 'binary', op, dtype: 'u32', x, y });
  const keys = [key0, key1, apply('xor', apply('xor', key0, key1), u32(parity))];
  let a = apply('add', { kind: 'cast', dtype: 'u32', x: { kind: 'index', dtype: 'i32', index: position } }, keys[0]!), b = keys[1]!;
  for (let round = 0; round < 20; round++) {
    a = apply('add', a, b);
    const turn = rotations[round % 8]!;
    b = apply('xor', apply('or', apply('shl', b, u32(turn)), apply('shr', b, u32(32 - turn))), a);
    if (round % 4 === 3) {
      const injection = (round + 1) / 4;
      a = apply('add', a, keys[injection % 3]!);
      b = apply('add', apply('add', b, keys[(injection + 1) % 3]!), u32(injection));
    }
  }
  return a;
}

/** Visits an expression and all it is made of, each node once. */
export function visitExpression(root: Expression, visit: (expression: Expression) => void, seen = new Set<Expression>()): void {
  const index = (at: Index): void => {
    for (const { atom } of at.terms) {
      if (atom.kind === 'value') visitExpression(atom.of, visit, seen);
      else if (atom.kind !== 'loop') index(atom.of);
    }
  };
  if (seen.has(root)) return;
  seen.add(root);
  switch (root.kind) {
    case 'load': index(root.index); if (root.guard) visitExpression(root.guard, visit, seen); break;
    case 'index': index(root.index); break;
    case 'select': visitExpression(root.test, visit, seen); visitExpression(root.x, visit, seen); visitExpression(root.y, visit, seen); break;
    case 'binary': visitExpression(root.x, visit, seen); visitExpression(root.y, visit, seen); break;
    case 'unary': case 'cast': case 'bitcast': visitExpression(root.x, visit, seen); break;
    default: break;
  }
  visit(root);
}

/** A group: nodes that one kernel computes. Groups grow while a graph is scheduled and end as kernels. */
import { flatten, indexKey, isAffine, unflatten, addIndex, constantIndex } from './index-algebra.js';
import type { Expression, Index, ReduceOp, Slot, View } from './kernel.js';
import { loadOf, loops, Lowering, visitExpression } from './lower.js';
import { sizeOf, type Node, type Shape } from './node.js';

/** The node's value cannot be had at this place of this kernel. */
class Unfit extends Error {}

export interface GroupStore { readonly node: Node; readonly index: Index; readonly value: Expression; readonly inner: boolean }

export interface Slots { of(node: Node): Slot }

/** What adding a node to a group would bring. */
export interface Addition { readonly value: Expression; readonly canonical: string; readonly index: Index; readonly inner: boolean; readonly level: number; readonly affine: boolean }

export class Group {
  readonly nodes = new Set<Node>();
  readonly stores: GroupStore[] = [];
  readonly reductions: { readonly node: Node; readonly op: ReduceOp; readonly level: number; readonly value: Expression }[] = [];
  /** Groups that must have run before, beyond what the operands say (they read what this one overwrites). */
  readonly after = new Set<Group>();
  readonly loaded = new Set<Slot>();
  readonly lowering: Lowering;
  readonly #values = new Map<Node, { readonly canonical: string; readonly value: Expression; readonly level: number }>();

  constructor(
    readonly kind: 'loop' | 'dot' | 'scatter' | 'fused',
    readonly order: number,
    public space: readonly number[],
    public outer: number,
    readonly kept: ReadonlySet<Node>,
    readonly slots: Slots,
    /** Operands read as strided windows (dot, scatter, fused). */
    readonly windows: readonly View[] = [],
  ) {
    this.lowering = new Lowering(space, (node, index, guard) => {
      if (!kept.has(node)) return undefined;
      const own = this.#values.get(node);
      if (!own) return loadOf(slots.of(node), node.shape, index, guard);
      if (guard || own.canonical !== keyOf(index)) throw new Unfit();
      return own.value;
    });
    for (const window of windows) this.loaded.add(window.slot);
  }

  /** The creation order of the latest node: groups run by it. */
  get lastOrder(): number { let last = this.order; for (const node of this.nodes) last = Math.max(last, node.order); return last; }

  /** Whether this group copies a part of a concatenation; nothing joins such a group. */
  get copies(): boolean { return this.stores.some((store) => store.node.op.kind === 'concat'); }

  /** Whether it may write `node` where `old` is, which it may read. */
  mayOverwrite(node: Node, old: Slot): boolean {
    if (!this.loaded.has(old)) return true;
    const store = this.stores.find((candidate) => candidate.node === node);
    if (!store || this.windows.some((window) => window.slot === old) || (this.reductions.length > 0 && !store.inner)) return false;
    const key = indexKey(store.index);
    let only = true;
    const check = (expression: Expression): void => { if (expression.kind === 'load' && expression.slot === old) only &&= indexKey(expression.index) === key; };
    for (const { value } of [...this.stores, ...this.reductions]) visitExpression(value, check);
    return only;
  }

  /** The product of a dot group, at its own index. */
  setAccumulator(node: Node): void {
    this.nodes.add(node);
    const index = loops(0, this.space.length), product: Expression = { kind: 'accumulator', dtype: 'f32' };
    const value: Expression = node.dtype === 'f32' ? product : { kind: 'cast', dtype: node.dtype, x: product };
    this.#values.set(node, { canonical: keyOf(index), value, level: -1 });
    this.stores.push({ node, index: flatten(index, node.shape), value, inner: false });
  }

  /** Tries a node's element-wise value in this group's iteration space, at inner points or (where they fit) outer ones. */
  tryElementwise(node: Node): Addition | undefined {
    const size = sizeOf(node.shape), split = this.reductions.length > 0 ? this.outer : this.space.length;
    const everywhere = size === sizeOf(this.space), outside = split < this.space.length && size === sizeOf(this.space.slice(0, split));
    if (!everywhere && !outside) return undefined;
    const axes = everywhere ? this.space.length : split;
    const index = unflatten(flatten(loops(0, axes), this.space.slice(0, axes)), node.shape, this.space);
    return this.#attempt(node, index, everywhere && split < this.space.length, true);
  }

  addElementwise(node: Node, addition: Addition): void {
    this.#values.set(node, { canonical: addition.canonical, value: addition.value, level: addition.level });
    this.#store(node, addition.index, addition.value, addition.inner);
  }

  /** Makes this group copy `part` into its range of a concatenation. */
  addConcatPart(node: Node, part: Node, axis: number, start: number): void {
    const index = loops(0, this.space.length), addition = this.#attempt(part, index, false, false)!;
    const into = flatten(index.map((at, i) => (i === axis ? addIndex(at, constantIndex(start)) : at)), node.shape);
    this.#store(node, into, addition.value, false);
  }

  #store(node: Node, index: Index, value: Expression, inner: boolean): void {
    this.nodes.add(node);
    this.stores.push({ node, index, value, inner });
    this.#note(value);
  }

  /** Tries a reduction over the last axes of its operand in this group's iteration space. */
  tryReduction(node: Node): (Addition & { split: number }) | undefined {
    const { axes } = node.op as Extract<Node['op'], { kind: 'reduce' }>, operand = node.inputs[0]!;
    const outerSize = sizeOf(node.shape), innerSize = sizeOf(axes.map((axis) => operand.shape[axis]!));
    let split = this.outer;
    if (this.reductions.length === 0 && this.stores.length > 0) { // a plain loop may become rows
      if (axes[0]! + axes.length !== operand.shape.length) return undefined;
      split = 0;
      while (split < this.space.length && sizeOf(this.space.slice(0, split)) < outerSize) split++;
      while (split < this.space.length && sizeOf(this.space.slice(split)) > innerSize) split++;
    }
    if (sizeOf(this.space.slice(0, split)) !== outerSize || sizeOf(this.space.slice(split)) !== innerSize || split === this.space.length) return undefined;
    const addition = this.#attempt(operand, reductionIndex(node, this.space, split), true, false);
    if (!addition) return undefined;
    const index = unflatten(flatten(loops(0, split), this.space.slice(0, split)), node.shape, this.space);
    return { ...addition, canonical: keyOf(index), index: flatten(index, node.shape), inner: false, split };
  }

  addReduction(node: Node, addition: Addition & { split: number }): void {
    if (this.reductions.length === 0) {
      this.outer = addition.split;
      const stores = this.stores.splice(0);
      this.stores.push(...stores.map((store) => ({ ...store, inner: true })));
    }
    const value: Expression = { kind: 'reduced', dtype: node.dtype, reduction: this.reductions.length };
    this.reductions.push({ node, op: (node.op as { op: ReduceOp }).op, level: addition.level, value: addition.value });
    this.nodes.add(node);
    this.#values.set(node, { canonical: addition.canonical, value, level: addition.level + 1 });
    this.stores.push({ node, index: addition.index, value, inner: false });
    this.#note(addition.value);
  }

  #attempt(node: Node, index: readonly Index[], inner: boolean, define: boolean): Addition | undefined {
    try {
      const value = this.lowering.element(node, index, undefined, define);
      let level = 0, affine = true;
      visitExpression(value, (expression) => {
        if (expression.kind === 'reduced') level = Math.max(level, this.reductions[expression.reduction]!.level + 1);
        if (expression.kind === 'load' || expression.kind === 'index') affine &&= isAffine({ base: 0, terms: expression.index.terms.filter(({ atom }) => atom.kind !== 'value') });
      });
      const store = flatten(index, node.shape);
      return { value, canonical: keyOf(index), index: store, inner, level, affine: affine && isAffine(store) };
    } catch (error) {
      if (error instanceof Unfit) return undefined;
      throw error;
    }
  }

  #note(value: Expression): void {
    visitExpression(value, (expression) => { if (expression.kind === 'load') this.loaded.add(expression.slot); });
  }
}

const keyOf = (index: readonly Index[]): string => index.map(indexKey).join(',');

/** The operand's index of a reduction in a space whose first `split` axes are the kept ones. */
function reductionIndex(node: Node, space: Shape, split: number): Index[] {
  const { axes } = node.op as Extract<Node['op'], { kind: 'reduce' }>, operand = node.inputs[0]!;
  const keptAxes = operand.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const kept = unflatten(flatten(loops(0, split), space.slice(0, split)), keptAxes.map((axis) => operand.shape[axis]!), space);
  const reduced = unflatten(flatten(loops(split, space.length - split), space.slice(split)), axes.map((axis) => operand.shape[axis]!), space);
  return operand.shape.map((_, axis) => (axes.includes(axis) ? reduced[axes.indexOf(axis)]! : kept[keptAxes.indexOf(axis)]!));
}

/** From a graph to groups in the order they run: which nodes share a kernel, and what must wait for what. */
import type { Graph } from './graph.js';
import { rootsOf, topologicalOrder } from './graph.js';
import { Group, type Addition, type Slots } from './groups.js';
import { keptNodes, viewOf, waitsFor, windowOperands } from './keep.js';
import type { Slot, View } from './kernel.js';
import * as n from './node.js';
import type { Node } from './node.js';
import type { PassOptions } from './plan.js';

export interface Schedule {
  readonly groups: readonly Group[];
  /** The kept node of each output and update, whose slot holds the result. */
  readonly outputs: readonly Node[];
  readonly updates: readonly Node[];
  /** Whether update i may be written straight into its variable. */
  readonly inPlace: readonly boolean[];
}

/** How far apart, in groups, two independent loops may be and still share a kernel. */
const siblingDistance = 8;

/** No node joins a group that would then touch more slots: kernels stay small enough to compile fast. */
const mostSlots = 16;

/** Nodes that hold a root's value in row-major order: the root behind its reshapes, or a copy where that is a view, a leaf or taken. */
function rootNodes(graph: Graph): Node[] {
  const taken = new Set<Node>();
  return rootsOf(graph).map((root) => {
    let base = root;
    while (base.op.kind === 'reshape') base = base.inputs[0]!;
    const free = base.op.kind !== 'leaf' && !taken.has(base) && viewOf(base)?.base === base;
    const holder = free ? base : n.barrier(root, true);
    taken.add(holder);
    return holder;
  });
}

export function schedule(graph: Graph, slots: Slots, options: Required<PassOptions>): Schedule {
  const roots = rootNodes(graph), order = topologicalOrder(roots), kept = keptNodes(roots, options.fuseElementwise);
  const groups = new Map<Group, number>(), writers = new Map<Slot, Set<Group>>(), fusedGroups = new Map<Node, Group>();
  const needs = new Map<Group, Set<Group>>(); // whose results each group reads: those are placed before it

  const place = (group: Group, node: Node): void => {
    if (!groups.has(group)) groups.set(group, groups.size);
    const slot = slots.of(node);
    (writers.get(slot) ?? writers.set(slot, new Set()).get(slot)!).add(group);
    needs.set(group, new Set(writersOf(group.loaded).filter((other) => other !== group)));
  };
  const writersOf = (loaded: Iterable<Slot>): Group[] => [...loaded].flatMap((slot) => [...(writers.get(slot) ?? [])]);
  const dependencies = (group: Group): Iterable<Group> => (group.after.size === 0 ? needs.get(group)! : [...group.after, ...needs.get(group)!]);
  const dependsOn = (from: Iterable<Group>, target: Group): boolean => {
    const seen = new Set<Group>(), stack = [...from];
    while (stack.length > 0) {
      const group = stack.pop()!;
      if (group === target) return true;
      if (!seen.has(group)) { seen.add(group); stack.push(...dependencies(group)); }
    }
    return false;
  };

  const windowOf = (operand: Node): View => {
    const view = viewOf(operand);
    return view && kept.has(view.base)
      ? { slot: slots.of(view.base), offset: view.offset, shape: operand.shape, strides: view.strides }
      : { slot: slots.of(operand), offset: 0, shape: operand.shape, strides: rowMajorStrides(operand.shape) };
  };
  const fresh = (kind: Group['kind'], node: Node, space: readonly number[], outer: number): Group =>
    new Group(kind, node.order, space, outer, kept, slots, windowOperands(node).map((i) => windowOf(node.inputs[i]!)));

  /** Groups that a node could join, the likeliest first: makers of what it reads, then late readers of the same. */
  const candidates = (loaded: ReadonlySet<Slot>, reduction: boolean): Group[] => {
    const makers = [...new Set(writersOf(loaded))].sort((a, b) => groups.get(b)! - groups.get(a)!);
    const list: Group[] = options.fuseEpilogues && !reduction ? makers.filter((group) => group.kind === 'dot') : [];
    if (options.fuseReductions) {
      list.push(...makers.filter((group) => group.kind === 'loop'));
      const recent = [...groups.keys()].slice(-siblingDistance).reverse();
      list.push(...recent.filter((group) => group.kind === 'loop' && [...group.loaded].some((slot) => slot.size > 1 && loaded.has(slot))));
    }
    return [...new Set(list)];
  };
  /** Puts the node into a group that takes it without a cycle and without division in its indices, else keeps `alone`. */
  const settle = <A extends Addition>(node: Node, alone: Group, attempt: (group: Group) => A | undefined, add: (group: Group, addition: A) => void): void => {
    const own = attempt(alone)!; // in a space of its own everything fits
    add(alone, own);
    const fence = lastFence(node, kept);
    for (const group of candidates(alone.loaded, node.op.kind === 'reduce')) {
      if (group.order < fence || group.copies || dependsOn(writersOf(alone.loaded).filter((other) => other !== group), group)) continue;
      if (new Set([...group.loaded, ...alone.loaded]).size + group.nodes.size >= mostSlots) continue;
      const addition = attempt(group);
      if (!addition || (own.affine && !addition.affine)) continue;
      add(group, addition);
      return place(group, node);
    }
    place(alone, node);
  };

  for (const node of order) {
    const { op } = node;
    if (!kept.has(node) || op.kind === 'leaf') continue;
    if (op.kind === 'dot') {
      const group = fresh('dot', node, node.shape, node.shape.length);
      group.setAccumulator(node);
      place(group, node);
    } else if (op.kind === 'scatterAdd' || op.kind === 'result') {
      const maker = op.kind === 'result' ? node.inputs[0]! : node;
      const group = fusedGroups.get(maker) ?? fresh(op.kind === 'result' ? 'fused' : 'scatter', maker, [], 0);
      fusedGroups.set(maker, group);
      group.nodes.add(node);
      place(group, node);
    } else if (op.kind === 'concat') {
      let start = 0, group: Group | undefined;
      for (const part of node.inputs) { // neighbours of one shape share a loop
        if (!group || !n.sameShape(group.space, part.shape)) group = fresh('loop', node, part.shape, part.shape.length);
        group.addConcatPart(node, part, op.axis, start);
        start += part.shape[op.axis]!;
        place(group, node);
      }
    } else if (op.kind === 'reduce') {
      const { shape } = node.inputs[0]!, keptAxes = shape.map((_, axis) => axis).filter((axis) => !op.axes.includes(axis));
      const alone = fresh('loop', node, [...keptAxes, ...op.axes].map((axis) => shape[axis]!), keptAxes.length);
      settle(node, alone, (group) => group.tryReduction(node), (group, addition) => group.addReduction(node, addition));
    } else if (waitsFor(node).length > 0) {
      const group = fresh('loop', node, node.shape, node.shape.length);
      group.addElementwise(node, group.tryElementwise(node)!);
      for (const writer of writersOf(waitsFor(node).map((other) => slots.of(viewOf(other)?.base ?? other)))) group.after.add(writer);
      place(group, node);
    } else {
      settle(node, fresh('loop', node, node.shape, node.shape.length), (group) => group.tryElementwise(node), (group, addition) => group.addElementwise(node, addition));
    }
  }

  // Updates in place: whoever reads the old value goes first.
  const variables = new Map(order.flatMap((node) => (node.op.kind === 'leaf' && node.op.source.kind === 'variable' ? [[node.op.source.variable, node] as const] : [])));
  const updates = roots.slice(graph.outputs.length);
  const inPlace = graph.updates.map(({ variable }, i) => {
    const leaf = variables.get(variable), node = updates[i]!, makers = writersOf([slots.of(node)]);
    if (!options.inPlace) return false;
    if (!leaf) return true;
    const old = slots.of(leaf), maker = makers[0]!;
    if (makers.length > 1 || !maker.mayOverwrite(node, old)) return false;
    const readers = [...groups.keys()].filter((group) => group !== maker && group.loaded.has(old));
    if (dependsOn(readers, maker)) return false;
    for (const reader of readers) maker.after.add(reader);
    return true;
  });
  return { groups: inOrder([...groups.keys()], dependencies), outputs: roots.slice(0, graph.outputs.length), updates, inPlace };
}

/** The order of the latest unique barrier that the node's expression goes through: what came before must not absorb it. */
function lastFence(root: Node, kept: ReadonlySet<Node>): number {
  const seen = new Set<Node>(), stack = [root];
  let fence = -1;
  while (stack.length > 0) {
    const node = stack.pop()!;
    if (seen.has(node)) continue;
    seen.add(node);
    if (node.op.kind === 'barrier' && node.op.unique) fence = Math.max(fence, node.order);
    if (node === root || !kept.has(node)) stack.push(...node.inputs);
  }
  return fence;
}

export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) { strides[axis] = stride; stride *= shape[axis]!; }
  return strides;
}

/** Dependencies first; among those that are ready, the one whose nodes were created first. */
function inOrder(groups: readonly Group[], dependencies: (group: Group) => Iterable<Group>): Group[] {
  const waiting = new Map<Group, number>(), dependents = new Map<Group, Group[]>();
  for (const group of groups) {
    const needs = new Set(dependencies(group));
    waiting.set(group, needs.size);
    for (const need of needs) (dependents.get(need) ?? dependents.set(need, []).get(need)!).push(group);
  }
  const position = new Map(groups.map((group, i) => [group, i]));
  const before = (a: Group, b: Group): number => a.lastOrder - b.lastOrder || position.get(a)! - position.get(b)!;
  const ready = groups.filter((group) => waiting.get(group) === 0).sort(before);
  const result: Group[] = [];
  while (ready.length > 0) {
    const group = ready.shift()!;
    result.push(group);
    for (const dependent of dependents.get(group) ?? []) {
      const left = waiting.get(dependent)! - 1;
      waiting.set(dependent, left);
      if (left > 0) continue;
      let low = 0, high = ready.length;
      while (low < high) { const middle = (low + high) >> 1; if (before(ready[middle]!, dependent) <= 0) low = middle + 1; else high = middle; }
      ready.splice(low, 0, dependent);
    }
  }
  if (result.length !== groups.length) throw new Error('internal: the schedule has a cycle');
  return result;
}

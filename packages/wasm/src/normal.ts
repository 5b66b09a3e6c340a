/**
 * Kernels in a normal form: equal sub-expressions are one node, slots are numbered by first use, neighbouring loop axes
 * that every index treats as one are merged, and axes of size 1 are gone. Kernels with equal keys share their code.
 */
import type { Atom, BinaryOp, DType, Expression, Index, ReduceOp, Slot, Store, UnaryOp } from '@ashlar/tensor';

/** Dependence on the result of a reduction, and on a dot's accumulator or an attention score; lower bits are loop axes. */
export const onReduced = 1 << 28;
export const onAccumulator = 1 << 29;

export interface NormalAtom {
  readonly id: number;
  readonly depends: number;
  readonly what: { readonly kind: 'loop'; readonly axis: number } | { readonly kind: 'div' | 'mod'; readonly of: NormalIndex; readonly by: number } | { readonly kind: 'value'; readonly of: Node };
}
export interface NormalIndex {
  readonly base: number;
  readonly terms: readonly { readonly atom: NormalAtom; readonly factor: number }[];
  readonly depends: number;
  readonly key: string;
}

interface NodeBase { readonly id: number; readonly dtype: DType; readonly depends: number }
export type Node = NodeBase & (
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'load'; readonly slot: number; readonly stored: DType; readonly index: NormalIndex; readonly guard: Node | undefined }
  | { readonly kind: 'index'; readonly index: NormalIndex }
  | { readonly kind: 'unary'; readonly op: UnaryOp; readonly x: Node }
  | { readonly kind: 'binary'; readonly op: BinaryOp; readonly x: Node; readonly y: Node }
  | { readonly kind: 'select'; readonly test: Node; readonly x: Node; readonly y: Node }
  | { readonly kind: 'cast' | 'bitcast'; readonly x: Node }
  | { readonly kind: 'reduced'; readonly reduction: number }
  | { readonly kind: 'accumulator' });

export interface NormalStore { readonly slot: number; readonly stored: DType; readonly index: NormalIndex; readonly value: Node }
export interface NormalReduction { readonly op: ReduceOp; readonly level: number; readonly dtype: DType; readonly value: Node }

type NodeContent = Node extends infer N ? N extends Node ? Omit<N, 'id' | 'depends'> : never : never;

/** Interns nodes, indices and slots of one kernel. */
export class Interner {
  readonly slots: Slot[] = [];
  private readonly slotNumbers = new Map<number, number>();
  private readonly nodes = new Map<string, Node>();
  private readonly atoms = new Map<string, NormalAtom>();
  private readonly seen = new Map<Expression, Map<Node | undefined, Node>>();

  /** The text that says everything of what was interned, slots by number. */
  get key(): string { return [...this.atoms.keys(), '|', ...this.nodes.keys(), '|', ...this.slots.map((slot) => slot.dtype)].join(' '); }

  get nodeCount(): number { return this.nodes.size; }
  allNodes(): Iterable<Node> { return this.nodes.values(); }

  slot(slot: Slot): number {
    let number = this.slotNumbers.get(slot.id);
    if (number === undefined) {
      number = this.slots.length;
      this.slots.push(slot);
      this.slotNumbers.set(slot.id, number);
    }
    return number;
  }

  private atom(key: string, depends: number, what: NormalAtom['what']): NormalAtom {
    let atom = this.atoms.get(key);
    if (!atom) this.atoms.set(key, atom = { id: this.atoms.size, depends, what });
    return atom;
  }

  loopAtom(axis: number): NormalAtom { return this.atom(`l${axis}`, 1 << axis, { kind: 'loop', axis }); }

  private normalAtom(atom: Atom, guard: Node | undefined): NormalAtom {
    switch (atom.kind) {
      case 'loop': return this.loopAtom(atom.axis);
      case 'value': { const of = this.node(atom.of, guard); return this.atom(`v${of.id}`, of.depends, { kind: 'value', of }); }
      default: { const of = this.index(atom.of, guard); return this.atom(`${atom.kind}(${of.key},${atom.by})`, of.depends, { kind: atom.kind, of, by: atom.by }); }
    }
  }

  /** `guard` holds for loads inside the index that have none of their own: they happen only where the outer load does. */
  index(index: Index, guard?: Node): NormalIndex {
    const factors = new Map<NormalAtom, number>();
    for (const { atom, factor } of index.terms) {
      if (factor === 0) continue;
      const normal = this.normalAtom(atom, guard);
      factors.set(normal, (factors.get(normal) ?? 0) + factor);
    }
    const terms = [...factors].filter(([, factor]) => factor !== 0).map(([atom, factor]) => ({ atom, factor })).sort((x, y) => x.atom.id - y.atom.id);
    return { base: index.base, terms, depends: terms.reduce((sum, { atom }) => sum | atom.depends, 0), key: `${index.base}${terms.map(({ atom, factor }) => `+${factor}a${atom.id}`).join('')}` };
  }

  private intern(key: string, content: NodeContent, depends: number): Node {
    let node = this.nodes.get(key);
    if (!node) this.nodes.set(key, node = { ...content, id: this.nodes.size, depends } as Node);
    return node;
  }

  node(expression: Expression, guard?: Node): Node {
    let known = this.seen.get(expression);
    if (!known) this.seen.set(expression, known = new Map());
    let node = known.get(guard);
    if (!node) known.set(guard, node = this.build(expression, guard));
    return node;
  }

  private build(e: Expression, guard: Node | undefined): Node {
    const dtype = e.dtype;
    switch (e.kind) {
      case 'constant': return this.intern(`${dtype}${Object.is(e.value, -0) ? '-0' : e.value}`, { kind: 'constant', dtype, value: e.value }, 0);
      case 'load': {
        const slot = this.slot(e.slot);
        const own = e.guard && this.node(e.guard, guard);
        const both = own && guard ? this.intern(`and,${own.id},${guard.id},bool`, { kind: 'binary', op: 'and', dtype: 'bool', x: own, y: guard }, own.depends | guard.depends) : own ?? guard;
        const index = this.index(e.index, both);
        return this.intern(`ld${slot}[${index.key}]${both ? `?${both.id}` : ''}`, { kind: 'load', dtype, slot, stored: e.slot.dtype, index, guard: both }, index.depends | (both?.depends ?? 0));
      }
      case 'index': { const index = this.index(e.index, guard); return this.intern(`ix[${index.key}]`, { kind: 'index', dtype, index }, index.depends); }
      case 'unary': { const x = this.node(e.x, guard); return this.intern(`${e.op},${x.id},${dtype}`, { kind: 'unary', op: e.op, dtype, x }, x.depends); }
      case 'binary': {
        const x = this.node(e.x, guard), y = this.node(e.y, guard);
        return this.intern(`${e.op},${x.id},${y.id},${dtype}`, { kind: 'binary', op: e.op, dtype, x, y }, x.depends | y.depends);
      }
      case 'select': {
        const test = this.node(e.test, guard), x = this.node(e.x, guard), y = this.node(e.y, guard);
        return this.intern(`?${test.id},${x.id},${y.id},${dtype}`, { kind: 'select', dtype, test, x, y }, test.depends | x.depends | y.depends);
      }
      case 'cast': case 'bitcast': { const x = this.node(e.x, guard); return this.intern(`${e.kind},${x.id},${dtype}`, { kind: e.kind, dtype, x }, x.depends); }
      case 'reduced': return this.intern(`r${e.reduction},${dtype}`, { kind: 'reduced', dtype, reduction: e.reduction }, onReduced);
      case 'accumulator': return this.intern('acc', { kind: 'accumulator', dtype: 'f32' }, onAccumulator);
    }
  }

  store(store: Store): NormalStore {
    return { slot: this.slot(store.slot), stored: store.slot.dtype, index: this.index(store.index), value: this.node(store.value) };
  }
}

/** The parts of a kernel that mention loop axes: enough to rewrite them all. */
export interface Body {
  readonly reductions: readonly { readonly op: ReduceOp; readonly level: number; readonly dtype: DType; readonly value: Expression }[];
  readonly outerStores: readonly Store[];
  readonly innerStores: readonly Store[];
}

/** Rewrites every index of a body; expressions that were one stay one. */
function rewriteBody(body: Body, rewrite: (index: Index) => Index): Body {
  const known = new Map<Expression, Expression>();
  const indexOf = (index: Index): Index => rewrite({
    base: index.base,
    terms: index.terms.map(({ atom, factor }) => ({ factor, atom: atom.kind === 'loop' ? atom : atom.kind === 'value' ? { kind: 'value', of: expression(atom.of) } : { ...atom, of: indexOf(atom.of) } })),
  });
  const expression = (e: Expression): Expression => {
    let result = known.get(e);
    if (!result) known.set(e, result = build(e));
    return result;
  };
  const build = (e: Expression): Expression => {
    switch (e.kind) {
      case 'load': return e.guard ? { ...e, index: indexOf(e.index), guard: expression(e.guard) } : { ...e, index: indexOf(e.index) };
      case 'index': return { ...e, index: indexOf(e.index) };
      case 'unary': case 'cast': case 'bitcast': return { ...e, x: expression(e.x) };
      case 'binary': return { ...e, x: expression(e.x), y: expression(e.y) };
      case 'select': return { ...e, test: expression(e.test), x: expression(e.x), y: expression(e.y) };
      default: return e;
    }
  };
  const store = (s: Store): Store => ({ slot: s.slot, index: indexOf(s.index), value: expression(s.value) });
  return {
    reductions: body.reductions.map((r) => ({ ...r, value: expression(r.value) })),
    outerStores: body.outerStores.map(store), innerStores: body.innerStores.map(store),
  };
}

/** Calls `visit` with every index of a body, those inside quotients and gathers too. */
function visitIndices(body: Body, visit: (index: Index) => void): void {
  const seen = new Set<Expression>();
  const indexOf = (index: Index): void => {
    visit(index);
    for (const { atom } of index.terms) if (atom.kind === 'value') expression(atom.of); else if (atom.kind !== 'loop') indexOf(atom.of);
  };
  const expression = (e: Expression): void => {
    if (seen.has(e)) return;
    seen.add(e);
    switch (e.kind) {
      case 'load': indexOf(e.index); if (e.guard) expression(e.guard); break;
      case 'index': indexOf(e.index); break;
      case 'unary': case 'cast': case 'bitcast': expression(e.x); break;
      case 'binary': expression(e.x); expression(e.y); break;
      case 'select': expression(e.test); expression(e.x); expression(e.y); break;
    }
  };
  for (const r of body.reductions) expression(r.value);
  for (const s of [...body.outerStores, ...body.innerStores]) { indexOf(s.index); expression(s.value); }
}

const factorOf = (index: Index, axis: number): number =>
  index.terms.reduce((sum, { atom, factor }) => sum + (atom.kind === 'loop' && atom.axis === axis ? factor : 0), 0);

/**
 * Merges neighbouring axes and drops those of size 1. Axes `boundary − 1` and `boundary` are never merged.
 * `mergeable` can forbid more (a dot's operands have a say). Every size must be at least 1.
 */
export function collapse(space: readonly number[], boundary: number, body: Body, mergeable: (previous: number, axis: number) => boolean = () => true): { space: number[]; boundary: number; body: Body; kept: number[][] } {
  const factors: number[][] = [];
  visitIndices(body, (index) => { factors.push(space.map((_, axis) => factorOf(index, axis))); });
  // groups of axes, each of which becomes one
  const groups: number[][] = [];
  let newBoundary = 0, rest = body, changed = false;
  for (let axis = 0; axis < space.length; axis++) {
    if (axis === boundary) newBoundary = groups.length;
    if (space[axis] === 1) { changed = true; continue; }
    const group = groups[groups.length - 1];
    const fits = group && groups.length > (axis >= boundary ? newBoundary : 0) && mergeable(group[group.length - 1]!, axis)
      && factors.every((f) => f[group[group.length - 1]!]! === f[axis]! * space[axis]!);
    if (fits) { group.push(axis); changed = true; } else groups.push([axis]);
  }
  if (boundary >= space.length) newBoundary = groups.length;
  if (changed) {
    const target = new Map<number, number>();
    groups.forEach((group, i) => target.set(group[group.length - 1]!, i));
    rest = rewriteBody(body, (index) => ({
      base: index.base,
      terms: index.terms.flatMap(({ atom, factor }): Index['terms'] => {
        if (atom.kind !== 'loop') return [{ atom, factor }];
        const axis = target.get(atom.axis);
        return axis === undefined ? [] : [{ atom: { kind: 'loop', axis }, factor }];
      }),
    }));
  }
  return { space: groups.map((group) => group.reduce((product, axis) => product * space[axis]!, 1)), boundary: newBoundary, body: rest, kept: groups };
}

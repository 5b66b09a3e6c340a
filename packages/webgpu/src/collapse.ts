/** Fewer, longer axes: neighbouring loop axes that every index walks as one become one, and axes of size 1 go. */
import type { Atom, Expression, Index, LoopKernel, Store } from '@ashlar/tensor';

/** Rewrites every index of expressions, keeping shared nodes shared. */
export class IndexRewriter {
  readonly #memo = new Map<Expression, Expression>();
  constructor(readonly rewrite: (index: Index) => Index) {}

  index(at: Index): Index {
    const terms = at.terms.map(({ atom, factor }) => ({ atom: this.#atom(atom), factor }));
    return this.rewrite({ base: at.base, terms });
  }

  #atom(atom: Atom): Atom {
    if (atom.kind === 'loop') return atom;
    if (atom.kind === 'value') return { kind: 'value', of: this.expression(atom.of) };
    return { kind: atom.kind, of: this.index(atom.of), by: atom.by };
  }

  expression(e: Expression): Expression {
    let out = this.#memo.get(e);
    if (!out) this.#memo.set(e, (out = this.#rebuild(e)));
    return out;
  }

  #rebuild(e: Expression): Expression {
    switch (e.kind) {
      case 'load': return e.guard ? { ...e, index: this.index(e.index), guard: this.expression(e.guard) } : { ...e, index: this.index(e.index) };
      case 'index': return { ...e, index: this.index(e.index) };
      case 'unary': case 'cast': case 'bitcast': return { ...e, x: this.expression(e.x) };
      case 'binary': return { ...e, x: this.expression(e.x), y: this.expression(e.y) };
      case 'select': return { ...e, test: this.expression(e.test), x: this.expression(e.x), y: this.expression(e.y) };
      default: return e;
    }
  }

  store(store: Store): Store { return { slot: store.slot, index: this.index(store.index), value: this.expression(store.value) }; }

  loop(kernel: LoopKernel): LoopKernel {
    return {
      ...kernel,
      reductions: kernel.reductions.map((reduction) => ({ ...reduction, value: this.expression(reduction.value) })),
      outerStores: kernel.outerStores.map((store) => this.store(store)),
      innerStores: kernel.innerStores.map((store) => this.store(store)),
    };
  }
}

const loopFactor = (at: Index, axis: number): number =>
  at.terms.reduce((sum, { atom, factor }) => (atom.kind === 'loop' && atom.axis === axis ? sum + factor : sum), 0);

/** The kernel with the fewest axes that walks the same points in the same order. */
export function collapseAxes(kernel: LoopKernel): LoopKernel {
  const indices: Index[] = [];
  new IndexRewriter((at) => { indices.push(at); return at; }).loop(kernel);
  const { space, outer } = kernel;
  // Groups of axes that become one: each is a run of neighbours of one kind (outer or inner).
  const groups: number[][] = [];
  space.forEach((size, axis) => {
    if (size === 1) return;
    const group = groups.at(-1), last = group?.at(-1);
    const joins = last !== undefined && (last < outer) === (axis < outer) && indices.every((at) => loopFactor(at, last) === loopFactor(at, axis) * size);
    if (joins) group!.push(axis);
    else groups.push([axis]);
  });
  const target = new Map<number, number>();
  groups.forEach((group, position) => target.set(group.at(-1)!, position));
  const rewriter = new IndexRewriter((at) => {
    const factors = new Map<number, number>();
    const terms: { atom: Atom; factor: number }[] = [];
    for (const { atom, factor } of at.terms) {
      if (atom.kind !== 'loop') { terms.push({ atom, factor }); continue; }
      const position = target.get(atom.axis);
      if (position !== undefined) factors.set(position, (factors.get(position) ?? 0) + factor);
    }
    for (const [axis, factor] of factors) if (factor !== 0) terms.push({ atom: { kind: 'loop', axis }, factor });
    return { base: at.base, terms };
  });
  return {
    ...rewriter.loop(kernel),
    space: groups.map((group) => group.reduce((product, axis) => product * space[axis]!, 1)),
    outer: groups.filter((group) => group[0]! < outer).length,
  };
}

/** Rewriting the indices of loop kernels. */
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

/** Loop kernels in plain f64, one point at a time: what kernel.ts says and nothing more. */
import type { Expression, Index, LoopKernel, Slot, Store } from '@ashlar/tensor';

interface Point { readonly axes: readonly number[]; readonly reduced: readonly number[] }

export class Interpreter {
  constructor(readonly memory: Map<number, number[]>) {}

  #cells(slot: Slot): number[] {
    const cells = this.memory.get(slot.id);
    if (!cells) throw new Error(`slot ${slot.id} has no data`);
    return cells;
  }

  index(at: Index, point: Point): number {
    let sum = at.base;
    for (const { atom, factor } of at.terms) {
      if (atom.kind === 'loop') sum += factor * point.axes[atom.axis]!;
      else if (atom.kind === 'value') sum += factor * this.value(atom.of, point);
      else { const of = this.index(atom.of, point); sum += factor * (atom.kind === 'div' ? Math.floor(of / atom.by) : of % atom.by); }
    }
    return sum;
  }

  value(e: Expression, point: Point): number {
    switch (e.kind) {
      case 'constant': return e.value;
      case 'index': return this.index(e.index, point);
      case 'load': {
        if (e.guard && !this.value(e.guard, point)) return 0;
        const at = this.index(e.index, point), cells = this.#cells(e.slot);
        if (!(at >= 0 && at < cells.length)) throw new Error(`load at ${at} of ${cells.length}`);
        return cells[at]!;
      }
      case 'select': return this.value(e.test, point) ? this.value(e.x, point) : this.value(e.y, point);
      case 'reduced': return point.reduced[e.reduction]!;
      case 'cast': { const x = this.value(e.x, point); return e.dtype === 'bool' ? +(x !== 0) : e.dtype === 'f32' ? x : Math.trunc(x); }
      case 'unary': { const x = this.value(e.x, point); return e.op === 'neg' ? -x : e.op === 'exp' ? Math.exp(x) : e.op === 'abs' ? Math.abs(x) : e.op === 'rsqrt' ? 1 / Math.sqrt(x) : fail(e.op); }
      case 'binary': {
        const x = this.value(e.x, point), y = this.value(e.y, point);
        switch (e.op) {
          case 'add': return x + y;
          case 'sub': return x - y;
          case 'mul': return x * y;
          case 'max': return Math.max(x, y);
          case 'lt': return +(x < y);
          case 'le': return +(x <= y);
          case 'and': return +(x !== 0 && y !== 0);
          default: return fail(e.op);
        }
      }
      default: return fail(e.kind);
    }
  }

  run({ space, outer, reductions, outerStores, innerStores }: LoopKernel): void {
    const store = (stores: readonly Store[], point: Point): void => {
      const writes = stores.map(({ slot, index, value }) => [this.#cells(slot), this.index(index, point), this.value(value, point)] as const);
      for (const [cells, at, value] of writes) {
        if (!(at >= 0 && at < cells.length)) throw new Error(`store at ${at} of ${cells.length}`);
        cells[at] = value;
      }
    };
    for (const row of points(space.slice(0, outer))) {
      const reduced: number[] = [];
      const levels = [...new Set(reductions.map(({ level }) => level))].sort((a, b) => a - b);
      for (const level of levels) {
        const results = reductions.map(({ op }) => (op === 'sum' ? 0 : op === 'max' ? -Infinity : Infinity));
        for (const inner of points(space.slice(outer))) {
          reductions.forEach((reduction, i) => {
            if (reduction.level !== level) return;
            const value = this.value(reduction.value, { axes: [...row, ...inner], reduced });
            results[i] = reduction.op === 'sum' ? results[i]! + value : reduction.op === 'max' ? Math.max(results[i]!, value) : Math.min(results[i]!, value);
          });
        }
        reductions.forEach((reduction, i) => { if (reduction.level === level) reduced[i] = results[i]!; });
      }
      store(outerStores, { axes: row, reduced });
      if (innerStores.length > 0) for (const inner of points(space.slice(outer))) store(innerStores, { axes: [...row, ...inner], reduced });
    }
  }
}

const fail = (what: string): never => { throw new Error(`the interpreter of the tests does not know ${what}`); };

function* points(space: readonly number[]): Generator<number[]> {
  const total = space.reduce((x, y) => x * y, 1), at = space.map(() => 0);
  for (let i = 0; i < total; i++) {
    yield [...at];
    for (let axis = space.length - 1; axis >= 0; axis--) { if (++at[axis]! < space[axis]!) break; at[axis] = 0; }
  }
}

/** Kernels in their simplest form: axes of size 1 dropped, axes that every index walks as one joined. */
import { factorOf } from './index-algebra.js';
import type { Atom, Expression, Index, LoopKernel, Slot, Store } from './kernel.js';
import { visitExpression } from './lower.js';

export interface Mapping { index(index: Index): Index; slot(slot: Slot): Slot }

/** A function that rebuilds expressions with other indices and slots; shared nodes stay shared. */
export function expressionMapper(mapping: Mapping): (expression: Expression) => Expression {
  const known = new Map<Expression, Expression>();
  const map = (expression: Expression): Expression => {
    let result = known.get(expression);
    if (!result) known.set(expression, (result = rebuild(expression)));
    return result;
  };
  const mapIndex = (index: Index): Index => mapping.index({ base: index.base, terms: index.terms.map(({ atom, factor }) => ({ factor, atom: mapAtom(atom) })) });
  const mapAtom = (atom: Atom): Atom => (atom.kind === 'value' ? { kind: 'value', of: map(atom.of) } : atom.kind === 'loop' ? atom : { ...atom, of: mapIndex(atom.of) });
  const rebuild = (expression: Expression): Expression => {
    switch (expression.kind) {
      case 'load': {
        const load = { kind: 'load', dtype: expression.dtype, slot: mapping.slot(expression.slot), index: mapIndex(expression.index) } as const;
        return expression.guard ? { ...load, guard: map(expression.guard) } : load;
      }
      case 'index': return { ...expression, index: mapIndex(expression.index) };
      case 'unary': case 'cast': case 'bitcast': return { ...expression, x: map(expression.x) };
      case 'binary': return { ...expression, x: map(expression.x), y: map(expression.y) };
      case 'select': return { ...expression, test: map(expression.test), x: map(expression.x), y: map(expression.y) };
      default: return expression;
    }
  };
  return map;
}

/** All indices of a kernel, those inside other indices too. */
function indicesOf(stores: readonly Store[], values: readonly Expression[]): Index[] {
  const all = new Set<Index>();
  const add = (index: Index): void => {
    if (all.has(index)) return;
    all.add(index);
    for (const { atom } of index.terms) if (atom.kind === 'div' || atom.kind === 'mod') add(atom.of);
  };
  const seen = new Set<Expression>();
  for (const value of [...stores.map((store) => store.value), ...values]) {
    visitExpression(value, (expression) => { if (expression.kind === 'load' || expression.kind === 'index') add(expression.index); }, seen);
  }
  for (const store of stores) add(store.index);
  return [...all];
}

/** The kernel with the fewest axes that walks the same points in the same order. */
export function collapse(kernel: LoopKernel): LoopKernel {
  const indices = indicesOf([...kernel.outerStores, ...kernel.innerStores], kernel.reductions.map((reduction) => reduction.value));
  const axes: { size: number; members: number[]; outer: boolean }[] = []; // `members` of an axis: old axes, the fastest last
  kernel.space.forEach((size, axis) => {
    if (size === 1) return;
    const last = axes[axes.length - 1], outer = axis < kernel.outer;
    const joins = last && last.outer === outer && indices.every((index) => factorOf(index, last.members.at(-1)!) === factorOf(index, axis) * size);
    if (joins) { last.size *= size; last.members.push(axis); } else axes.push({ size, members: [axis], outer });
  });
  if (axes.length === kernel.space.length) return kernel;
  // Reductions need an inner axis, even of size 1.
  if (kernel.reductions.length > 0 && !axes.some((axis) => !axis.outer)) axes.push({ size: 1, members: [], outer: false });
  const newAxis = new Map(axes.flatMap(({ members }, i) => (members.length > 0 ? [[members.at(-1)!, i] as const] : [])));
  const index = ({ base, terms }: Index): Index => ({
    base,
    terms: terms.flatMap(({ atom, factor }): Index['terms'] => {
      if (atom.kind !== 'loop') return [{ atom, factor }];
      const axis = newAxis.get(atom.axis);
      return axis === undefined ? [] : [{ atom: { kind: 'loop', axis }, factor }];
    }),
  });
  const map = expressionMapper({ index, slot: (slot) => slot });
  const store = ({ slot, index: at, value }: Store): Store => ({ slot, index: (map({ kind: 'index', dtype: 'i32', index: at }) as { index: Index }).index, value: map(value) });
  return {
    ...kernel,
    space: axes.map((axis) => axis.size),
    outer: axes.filter((axis) => axis.outer).length,
    reductions: kernel.reductions.map((reduction) => ({ ...reduction, value: map(reduction.value) })),
    outerStores: kernel.outerStores.map(store),
    innerStores: kernel.innerStores.map(store),
  };
}

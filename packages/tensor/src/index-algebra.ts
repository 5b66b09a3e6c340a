/** Integer index expressions: affine sums over loop axes, with quotients and remainders where a reshape needs them. */
import type { Atom, Expression, Index } from './kernel.js';
import type { Shape } from './node.js';

export const constantIndex = (base: number): Index => ({ base, terms: [] });
export const loopIndex = (axis: number): Index => ({ base: 0, terms: [{ atom: { kind: 'loop', axis }, factor: 1 }] });
export const valueIndex = (of: Expression): Index => ({ base: 0, terms: [{ atom: { kind: 'value', of }, factor: 1 }] });

const expressionIds = new WeakMap<Expression, number>();
let nextExpressionId = 0;
const expressionId = (expression: Expression): number => {
  let id = expressionIds.get(expression);
  if (id === undefined) expressionIds.set(expression, (id = nextExpressionId++));
  return id;
};

const keys = new WeakMap<Index, string>();
/** Equal keys mean equal indices. */
export function indexKey(index: Index): string {
  let key = keys.get(index);
  if (key === undefined) keys.set(index, (key = `${index.base}${index.terms.map(({ atom, factor }) => `+${factor}*${atomKey(atom)}`).join('')}`));
  return key;
}
const atomKey = (atom: Atom): string =>
  atom.kind === 'loop' ? `i${atom.axis}` : atom.kind === 'value' ? `v${expressionId(atom.of)}` : `(${indexKey(atom.of)}${atom.kind === 'div' ? '/' : '%'}${atom.by})`;

/** Adds up terms of equal atoms, puts quotient and remainder of one number together again, and orders the rest. */
function normalize(base: number, terms: Index['terms']): Index {
  const sums = new Map<string, { atom: Atom; factor: number }>();
  for (const { atom, factor } of terms) {
    const key = atomKey(atom), before = sums.get(key);
    sums.set(key, { atom, factor: factor + (before?.factor ?? 0) });
  }
  for (const [key, { atom, factor }] of sums) {
    if (atom.kind !== 'div' || factor % atom.by !== 0 || factor === 0) continue;
    const remainder = sums.get(`(${indexKey(atom.of)}%${atom.by})`);
    if (remainder?.factor !== factor / atom.by) continue;
    sums.delete(key);
    sums.delete(`(${indexKey(atom.of)}%${atom.by})`); // f·b·⌊x/b⌋ + f·(x mod b) = f·x
    return addIndex(normalize(base, [...sums.values()]), scaleIndex(atom.of, remainder.factor));
  }
  const kept = [...sums.entries()].filter(([, term]) => term.factor !== 0).sort(([a], [b]) => (a < b ? -1 : 1)).map(([, term]) => term);
  return { base, terms: kept };
}

export const addIndex = (a: Index, b: Index): Index =>
  a.terms.length === 0 ? { base: a.base + b.base, terms: b.terms } : b.terms.length === 0 ? { base: a.base + b.base, terms: a.terms } : normalize(a.base + b.base, [...a.terms, ...b.terms]);

export const scaleIndex = (a: Index, k: number): Index =>
  k === 1 ? a : k === 0 ? constantIndex(0) : { base: a.base * k, terms: a.terms.map(({ atom, factor }) => ({ atom, factor: factor * k })) };

/** The least and greatest value over the iteration space. */
export function bounds(index: Index, space: Shape): [number, number] {
  let low = index.base, high = index.base;
  for (const { atom, factor } of index.terms) {
    let from = 0, to = Infinity;
    if (atom.kind === 'loop') to = Math.max(0, space[atom.axis]! - 1);
    else if (atom.kind === 'mod') to = atom.by - 1;
    else if (atom.kind === 'div') [from, to] = bounds(atom.of, space).map((n) => Math.floor(n / atom.by)) as [number, number];
    low += Math.min(factor * from, factor * to);
    high += Math.max(factor * from, factor * to);
  }
  return [low, high];
}

/** Quotient and remainder by a positive constant of an index that is never negative. */
export function divMod(index: Index, by: number, space: Shape): [Index, Index] {
  if (by === 1) return [index, constantIndex(0)];
  const whole: Index['terms'][number][] = [], rest: Index['terms'][number][] = [];
  for (const term of index.terms) (term.factor % by === 0 ? whole : rest).push(term);
  const wholeBase = Math.floor(index.base / by) * by;
  const quotient: Index = { base: wholeBase / by, terms: whole.map(({ atom, factor }) => ({ atom, factor: factor / by })) };
  const remainder: Index = { base: index.base - wholeBase, terms: rest };
  const [low, high] = bounds(remainder, space);
  if (low >= 0 && high < by) return [quotient, remainder];
  if (low < 0) return [single('div', index, by), single('mod', index, by)];
  return [addIndex(quotient, single('div', remainder, by)), single('mod', remainder, by)];
}

function single(kind: 'div' | 'mod', of: Index, by: number): Index {
  const only = of.base === 0 && of.terms.length === 1 && of.terms[0]!.factor === 1 ? of.terms[0]!.atom : undefined;
  if (kind === 'div' && only?.kind === 'div') return single('div', only.of, only.by * by);
  if (kind === 'mod' && only?.kind === 'mod' && only.by % by === 0) return single('mod', only.of, by);
  return { base: 0, terms: [{ atom: { kind, of, by }, factor: 1 }] };
}

/** The row-major position of an index in an array of `shape`. */
export function flatten(index: readonly Index[], shape: Shape): Index {
  let position = constantIndex(0), stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1) position = addIndex(position, scaleIndex(index[axis]!, stride));
    stride *= shape[axis]!;
  }
  return position;
}

/** The index in an array of `shape` of a row-major position. */
export function unflatten(position: Index, shape: Shape, space: Shape): Index[] {
  const index: Index[] = new Array(shape.length);
  let rest = position;
  const first = shape.findIndex((n) => n !== 1);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 1 || axis < first) index[axis] = constantIndex(0);
    else if (axis === first) index[axis] = rest;
    else [rest, index[axis]] = divMod(rest, Math.max(shape[axis]!, 1), space);
  }
  return index;
}

/** The operand's index under a reshape; axes that correspond are handled apart, so that no needless division arises. */
export function reshapeIndex(index: readonly Index[], from: Shape, to: Shape, space: Shape): Index[] {
  if (from.includes(0)) return to.map(() => constantIndex(0));
  const result: Index[] = [];
  let i = 0, j = 0;
  while (i < from.length || j < to.length) {
    let a = i, b = j, sizeA = 1, sizeB = 1;
    do {
      if (a < from.length && (sizeA <= sizeB || b >= to.length)) sizeA *= from[a++]!;
      else sizeB *= to[b++]!;
    } while (sizeA !== sizeB);
    result.push(...unflatten(flatten(index.slice(i, a), from.slice(i, a)), to.slice(j, b), space));
    i = a;
    j = b;
  }
  return result;
}

/** Whether the index is a plain sum over loop axes. */
export const isAffine = (index: Index): boolean => index.terms.every(({ atom }) => atom.kind === 'loop');

/** The factor of a loop axis in an index (direct terms alone). */
export const factorOf = (index: Index, axis: number): number =>
  index.terms.find(({ atom }) => atom.kind === 'loop' && atom.axis === axis)?.factor ?? 0;

/** Masks that depend on remainders: blocks whose queries and keys stand apart, so that each is visible whole or not at all. */
import { expressionMapper } from '@ashlar/tensor';
import type { Expression } from '@ashlar/tensor';

/** The loop axis that holds the place of a block's first key, where keys stand apart. */
export const firstKey = 4;

/** Steps beyond it would leave blocks of few rows. */
const mostStep = 64;
/** Queries and keys that a residue must have. */
const fewest = 32;

/**
 * A step m such that queries and keys that stand m apart make blocks which a mask leaves empty or lets through whole: the
 * least common multiple of the m in conditions `(a q + b k + c) mod m ⋛ constant` that the mask is a conjunction of.
 */
export function residueStep(mask: Expression, length: number): number {
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b)), fits = (m: number): boolean => m <= mostStep && fewest * m <= length;
  return conjuncts(mask).map(modulusOf).filter(fits).reduce((x, y) => { const both = (x * y) / gcd(x, y); return fits(both) ? both : Math.max(x, y); }, 1);
}

const conjuncts = (mask: Expression): Expression[] => (mask.kind === 'binary' && mask.dtype === 'bool' && mask.op === 'and' ? [...conjuncts(mask.x), ...conjuncts(mask.y)] : [mask]);

/** The m of a condition `(a q + b k + c) mod m ⋛ constant`, 1 for any other. */
function modulusOf(condition: Expression): number {
  if (condition.kind !== 'binary' || !['eq', 'ne', 'lt', 'le'].includes(condition.op)) return 1;
  const [remainder, against] = condition.x.kind === 'constant' ? [condition.y, condition.x] : [condition.x, condition.y];
  const found = against.kind === 'constant' && remainder.kind === 'binary' && remainder.op === 'mod' && remainder.dtype === 'i32' && remainder.y.kind === 'constant' && remainder.y.value > 0 && isLinear(remainder.x);
  return found ? remainder.y.value : 1;
}

/** The mask without what is the same for all queries and keys that stand `step` apart; undefined where nothing is left. */
export function withinResidues(mask: Expression, step: number): Expression | undefined {
  // of numbers of both signs, remainders other than 0 are two
  const same = (condition: Expression): boolean => modulusOf(condition) > 1 && step % modulusOf(condition) === 0 && condition.kind === 'binary'
    && (condition.op === 'eq' || condition.op === 'ne') && [condition.x, condition.y].some((side) => side.kind === 'constant' && side.value === 0);
  return conjuncts(mask).filter((condition) => !same(condition)).reduce<Expression | undefined>((x, y) => (x ? { kind: 'binary', op: 'and', dtype: 'bool', x, y } : y), undefined);
}

/** Whether it is a q + b k + c, in terms that the interval arithmetic follows. */
function isLinear(e: Expression): boolean {
  switch (e.kind) {
    case 'constant': return true;
    case 'index': return e.index.terms.every(({ atom }) => atom.kind === 'loop');
    case 'unary': return e.op === 'neg' && isLinear(e.x);
    case 'binary': return ((e.op === 'add' || e.op === 'sub') && isLinear(e.x) && isLinear(e.y)) || (e.op === 'mul' && e.y.kind === 'constant' && e.y.value >= 0 && isLinear(e.x));
    default: return false;
  }
}

/** Rewrites the key's place: axis 3 numbers the keys of a block. What is past the last key stands at its place. */
export function keysApart(step: number, S: number): (expression: Expression) => Expression {
  const place: Expression = {
    kind: 'binary', op: 'min', dtype: 'i32', y: { kind: 'constant', dtype: 'i32', value: S - 1 },
    x: { kind: 'index', dtype: 'i32', index: { base: 0, terms: [{ atom: { kind: 'loop', axis: firstKey }, factor: 1 }, { atom: { kind: 'loop', axis: 3 }, factor: step }] } },
  };
  return expressionMapper({
    slot: (slot) => slot,
    index: ({ base, terms }) => ({ base, terms: terms.map(({ atom, factor }) => ({ factor, atom: atom.kind === 'loop' && atom.axis === 3 ? { kind: 'value', of: place } : atom })) }),
  });
}

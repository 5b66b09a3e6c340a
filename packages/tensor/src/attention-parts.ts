/**
 * The parts in which kernels that work in blocks take an attention's scores. Where a mask goes by remainders, queries and
 * keys that stand so far apart make blocks which it leaves empty or lets through whole. Where it is a union of such a
 * mask and another, each is a part of its own: softmax over a union splits exactly.
 */
import type { BinaryOp, Expression } from './kernel.js';

export interface AttentionPart {
  /** Which scores are in this part, beside causality, over loop axes 0…3 = batch, head, query, key; undefined: all. */
  readonly mask: Expression | undefined;
  /** What of it is still to be asked where a block has the steps and remainders below. */
  readonly rest: Expression | undefined;
  /** Neighbours in a block of queries, and in one of keys, stand so many places apart. */
  readonly queryStep: number;
  readonly keyStep: number;
  /** Only keys with these remainders by `keyStep` are in this part: [first, end). */
  readonly keyRemainders: readonly [number, number];
  /** Query t meets keys of remainder t + shift by `keyStep` = `queryStep` alone, and of these all that `rest` lets through. */
  readonly shift: number | undefined;
  /** What must hold of query and key, beside causality. */
  readonly bounds: readonly AttentionBound[];
  /** Whether the bounds, and the remainders, are all that the mask asks. */
  readonly bounded: boolean;
}

/** query · q + key · k + base ≤ 0. */
export interface AttentionBound { readonly query: number; readonly key: number; readonly base: number }

/** Queries and keys that a remainder must have. */
const fewest = 8;
/** Queries and keys from which on a union is split: as many scores as cost what beginning a part costs. */
const splitFrom = 192;

/** The parts of the scores of T queries and S keys that `mask` lets count: one, or two that have no score in common. */
export function attentionParts(mask: Expression | undefined, { T, S }: { readonly T: number; readonly S: number }): readonly AttentionPart[] {
  const length = Math.min(T, S), all = mask ? operandsOf(mask, 'and') : [];
  const part = (conditions: readonly Expression[]): AttentionPart => partOf(conditions, length, S);
  if (length < splitFrom) return [part(all)];
  for (const union of all) {
    const members = operandsOf(union, 'or'), far = members.find((member) => { const { queryStep, keyStep } = part(operandsOf(member, 'and')); return queryStep * keyStep > 1; });
    if (members.length < 2 || !far) continue;
    const others = all.filter((condition) => condition !== union), near = joined(members.filter((member) => member !== far), 'or')!;
    return [part([...others, ...operandsOf(near, 'and')]), part([...others, ...operandsOf(far, 'and'), { kind: 'unary', op: 'not', dtype: 'bool', x: near }])];
  }
  return [part(all)];
}

function partOf(conditions: readonly Expression[], length: number, S: number): AttentionPart {
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b)), fits = (m: number): boolean => fewest * m <= length;
  const stepOf = (list: readonly Remainder[]): number => list.map(({ by }) => by).filter(fits).reduce((x, y) => { const both = (x * y) / gcd(x, y); return fits(both) ? both : Math.max(x, y); }, 1);
  const found = new Map(conditions.flatMap((condition) => { const one = remainderIn(condition); return one ? [[condition, one] as const] : []; })), remainders = [...found.values()];
  const queryStep = stepOf(remainders.filter(({ query }) => query !== 0)), keyStep = stepOf(remainders.filter(({ key }) => key !== 0));
  const whole = (one: Remainder): boolean => (one.query === 0 || queryStep % one.by === 0) && (one.key === 0 || keyStep % one.by === 0);
  // what keys alone decide, by their remainders
  const ofKeys = remainders.filter((one) => one.query === 0 && !one.others && whole(one)), places = Array.from({ length: ofKeys.length > 0 ? S : 0 }, (_, k) => k);
  const kept = new Set(places.filter((k) => ofKeys.every((one) => holds(one, k))).map((k) => k % keyStep));
  const keyRemainders = ofKeys.length > 0 ? [Math.min(keyStep, ...kept), Math.max(-1, ...kept) + 1] as const : [0, keyStep] as const;
  const decided = (one: Remainder): boolean => whole(one) && (((one.op === 'eq' || one.op === 'ne') && one.against === 0) // of numbers of both signs, remainders other than 0 are two
    || (ofKeys.includes(one) && places.every((k) => k % keyStep < keyRemainders[0] || k % keyStep >= keyRemainders[1] || holds(one, k))));
  const settled = remainders.filter(decided), pair = queryStep === keyStep && settled.length === 1 ? settled.find(({ by, op, against, query, key, others }) => by === keyStep && op === 'eq' && against === 0 && !others && Math.abs(query) === 1 && query === -key) : undefined;
  const open = conditions.filter((condition) => { const one = found.get(condition); return !one || !decided(one); });
  // whose terms, at any place, are far from the ends of i32
  const small = ({ query, key, base }: AttentionBound): boolean => Math.abs(base) < 2 ** 30 && Math.max(Math.abs(query), Math.abs(key)) <= 256;
  const bounds = open.map((condition) => { const list = boundsOf(condition, true); return list.every(small) ? list : []; });
  return {
    mask: joined(conditions, 'and'), rest: joined(open, 'and'), bounds: bounds.flat(), bounded: bounds.every(({ length: count }) => count > 0), queryStep, keyStep, keyRemainders, shift: pair && keyStep > 1 ? (((pair.base * pair.query) % keyStep) + keyStep) % keyStep : undefined,
  };
}

const operandsOf = (e: Expression, op: 'and' | 'or'): Expression[] => (e.kind === 'binary' && e.dtype === 'bool' && e.op === op ? [...operandsOf(e.x, op), ...operandsOf(e.y, op)] : [e]);
const joined = (list: readonly Expression[], op: 'and' | 'or'): Expression | undefined => list.reduce<Expression | undefined>((x, y) => (x ? { kind: 'binary', op, dtype: 'bool', x, y } : y), undefined);

/** base + query · q + key · k, and terms of batch and head where `others`. */
interface Linear { readonly base: number; readonly query: number; readonly key: number; readonly others: boolean }
/** A condition `linear mod by ⋛ against`, or `against ⋛ linear mod by` where `reversed`. */
interface Remainder extends Linear { readonly by: number; readonly op: BinaryOp; readonly against: number; readonly reversed: boolean }

function remainderIn(condition: Expression): Remainder | undefined {
  if (condition.kind !== 'binary' || !['eq', 'ne', 'lt', 'le'].includes(condition.op)) return undefined;
  const reversed = condition.x.kind === 'constant', [remainder, against] = reversed ? [condition.y, condition.x] : [condition.x, condition.y];
  if (against.kind !== 'constant' || remainder.kind !== 'binary' || remainder.op !== 'mod' || remainder.dtype !== 'i32' || remainder.y.kind !== 'constant' || remainder.y.value <= 1) return undefined;
  const linear = linearOf(remainder.x), by = remainder.y.value;
  if (!linear) return undefined;
  const moves = (factor: number): number => (factor % by === 0 ? 0 : factor); // by whole turns it does not
  return { ...linear, query: moves(linear.query), key: moves(linear.key), by, op: condition.op, against: against.value, reversed };
}

function holds({ base, key, by, op, against, reversed }: Remainder, k: number): boolean {
  const remainder = (base + key * k) % by, [x, y] = reversed ? [against, remainder] : [remainder, against];
  return op === 'eq' ? x === y : op === 'ne' ? x !== y : op === 'lt' ? x < y : x <= y;
}

/** What a comparison of linear terms, or its opposite, says; nothing where it is something else. */
function boundsOf(condition: Expression, wanted: boolean): AttentionBound[] {
  if (condition.kind === 'unary' && condition.op === 'not') return boundsOf(condition.x, !wanted);
  if (condition.kind !== 'binary') return [];
  const { op } = condition;
  if (condition.dtype === 'bool' && op === (wanted ? 'and' : 'or')) {
    const [x, y] = [boundsOf(condition.x, wanted), boundsOf(condition.y, wanted)];
    return x.length > 0 && y.length > 0 ? [...x, ...y] : [];
  }
  const x = linearOf(condition.x), y = linearOf(condition.y);
  if (!x || !y || x.others || y.others || condition.x.dtype !== 'i32') return [];
  /** x − y + more ≤ 0. */
  const bound = (x: Linear, y: Linear, more: number): AttentionBound => ({ query: x.query - y.query, key: x.key - y.key, base: x.base - y.base + more });
  if (op === 'lt') return [wanted ? bound(x, y, 1) : bound(y, x, 0)];
  if (op === 'le') return [wanted ? bound(x, y, 0) : bound(y, x, 1)];
  return op === (wanted ? 'eq' : 'ne') ? [bound(x, y, 0), bound(y, x, 0)] : [];
}

function linearOf(e: Expression): Linear | undefined {
  const sum = (x: Linear | undefined, y: Linear | undefined, factor: number): Linear | undefined => x && y && { base: x.base + factor * y.base, query: x.query + factor * y.query, key: x.key + factor * y.key, others: x.others || y.others };
  const nothing: Linear = { base: 0, query: 0, key: 0, others: false };
  switch (e.kind) {
    case 'constant': return { ...nothing, base: e.value };
    case 'index': return e.index.terms.reduce<Linear | undefined>((x, { atom, factor }) => (atom.kind === 'loop' ? sum(x, { base: 0, query: Number(atom.axis === 2), key: Number(atom.axis === 3), others: atom.axis < 2 }, factor) : undefined), { ...nothing, base: e.index.base });
    case 'unary': return e.op === 'neg' ? sum(nothing, linearOf(e.x), -1) : undefined;
    case 'binary':
      if (e.op === 'add' || e.op === 'sub') return sum(linearOf(e.x), linearOf(e.y), e.op === 'add' ? 1 : -1);
      return e.op === 'mul' && e.y.kind === 'constant' ? sum(nothing, linearOf(e.x), e.y.value) : undefined;
    default: return undefined;
  }
}

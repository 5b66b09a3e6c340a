/**
 * What a mask does in a block of scores: arithmetic of intervals and residues over the block, as scalar code that runs
 * once a block. What it cannot follow (floats, loads from places far apart) it takes to be possible.
 */
import { add, forRange, get, int, load, mul, named, onLane, op, scaled, set, sub, when, whileBelow } from './code.js';
import type { Code, FunctionBuilder, Local, Segment } from './encoder.js';
import { acrossLanes } from './math.js';
import type { Node, NormalIndex } from './normal.js';

/** Least and greatest value, both reached or not: signed integers without overflow. */
export interface Interval {
  readonly low: Code;
  readonly high: Code;
  /** All values differ from `low` by multiples of it; 0: there is one value alone; absent: 1. */
  readonly step?: number;
  /** Code (0 or 1) for whether the bounds are worth anything; absent: they are. */
  readonly known?: Code;
}
/** Whether a condition may hold somewhere, and whether it may fail somewhere, as 0 or 1. */
export interface Possible { readonly holds: Code; readonly fails: Code }

/** How far apart the first and the last of loaded numbers may stand to be looked through. */
const mostLoaded = 256;

/** The code where `known`, else 1. */
const unless = (known: Code | undefined, code: Code): Code => (known ? op('i32.or', code, op('i32.eqz', known)) : code);

const unknown: Possible = { holds: int(1), fails: int(1) };
const smaller = (x: Code, y: Code): Code => op('select', x, y, op('i32.lt_s', x, y));
const larger = (x: Code, y: Code): Code => op('select', x, y, op('i32.gt_s', x, y));

/** Whether all of these are known. */
function knownAll(...parts: readonly Interval[]): { readonly known?: Code } {
  const flags = parts.flatMap(({ known }) => (known ? [known] : []));
  return flags.length > 0 ? { known: flags.reduce((x, y) => op('i32.and', x, y)) } : {};
}

const divisor = (x: number, y: number): number => (y === 0 ? Math.abs(x) : divisor(y, x % y));
/** The step of values that move with all of these, each times a factor. */
const commonStep = (...parts: readonly (readonly [Interval, number])[]): number => parts.reduce((step, [{ step: own = 1 }, factor]) => divisor(step, own * factor), 0);

/**
 * Whether `mask` may be true, and may be false, where loop axis i lies within `axes[i]`; names are set in `out`.
 * `slots[i]` holds the address of the i-th slot that the mask loads from; without it, loads are unknown.
 */
export function possibilities(f: FunctionBuilder, out: Segment, mask: Node, axes: readonly Interval[], slots: readonly Local[] = []): Possible {
  const lane = f.local('i32');
  const conditions = new Map<Node, Possible>(), numbers = new Map<Node, Interval | undefined>();
  const name = (code: Code): Code => named(f, 'i32', out, code);

  const condition = (node: Node): Possible => {
    let known = conditions.get(node);
    if (!known) {
      const { holds, fails } = decide(node);
      conditions.set(node, known = { holds: name(holds), fails: name(fails) });
    }
    return known;
  };
  const decide = (node: Node): Possible => {
    if (node.kind === 'constant') return { holds: int(node.value ? 1 : 0), fails: int(node.value ? 0 : 1) };
    if (node.kind === 'unary' && node.op === 'not' && node.dtype === 'bool') { const x = condition(node.x); return { holds: x.fails, fails: x.holds }; }
    if (node.kind === 'select' && node.dtype === 'bool') {
      const x = condition(node.x), y = condition(node.y);
      return { holds: op('i32.or', x.holds, y.holds), fails: op('i32.or', x.fails, y.fails) };
    }
    if (node.kind === 'load' && !node.guard) {
      const bits = loaded(node.slot, node.index);
      return bits ? { holds: unless(bits.known, op('i32.ne', bits.high, int(0))), fails: unless(bits.known, op('i32.eqz', bits.low)) } : unknown;
    }
    if (node.kind !== 'binary') return unknown;
    if (node.x.dtype === 'bool') {
      const x = condition(node.x), y = condition(node.y);
      if (node.op === 'and') return { holds: op('i32.and', x.holds, y.holds), fails: op('i32.or', x.fails, y.fails) };
      if (node.op === 'or') return { holds: op('i32.or', x.holds, y.holds), fails: op('i32.and', x.fails, y.fails) };
      return unknown;
    }
    const x = number(node.x), y = number(node.y);
    if (!x || !y) return unknown;
    const { known } = knownAll(x, y), possible = compare(node.op, x, y);
    return { holds: unless(known, possible.holds), fails: unless(known, possible.fails) };
  };
  const compare = (kind: string, x: Interval, y: Interval): Possible => {
    const step = commonStep([x, 1], [y, 1]), alike = step > 1 ? op('i32.eqz', op('i32.rem_s', sub(x.low, y.low), int(step))) : int(1);
    const meet = op('i32.and', alike, op('i32.and', op('i32.le_s', x.low, y.high), op('i32.le_s', y.low, x.high)));
    const differ = op('i32.or', op('i32.ne', x.low, y.high), op('i32.ne', x.high, y.low)); // not one and the same number
    switch (kind) {
      case 'lt': return { holds: op('i32.lt_s', x.low, y.high), fails: op('i32.ge_s', x.high, y.low) };
      case 'le': return { holds: op('i32.le_s', x.low, y.high), fails: op('i32.gt_s', x.high, y.low) };
      case 'eq': return { holds: meet, fails: differ };
      case 'ne': return { holds: differ, fails: meet };
      default: return unknown;
    }
  };

  const number = (node: Node): Interval | undefined => {
    if (!numbers.has(node)) {
      const found = node.dtype === 'i32' ? bound(node) : undefined;
      numbers.set(node, found && { low: name(found.low), high: name(found.high), step: found.step ?? 1, ...(found.known ? { known: name(found.known) } : {}) });
    }
    return numbers.get(node);
  };
  const bound = (node: Node): Interval | undefined => {
    switch (node.kind) {
      case 'constant': return { low: int(node.value), high: int(node.value), step: 0 };
      case 'index': return indexBounds(node.index);
      case 'load': return node.guard ? undefined : loaded(node.slot, node.index);
      case 'unary': {
        const x = node.op === 'neg' ? number(node.x) : undefined;
        return x && { low: sub(int(0), x.high), high: sub(int(0), x.low), step: x.step ?? 1, ...knownAll(x) };
      }
      case 'select': {
        const x = number(node.x), y = number(node.y);
        return x && y && { low: smaller(x.low, y.low), high: larger(x.high, y.high), ...knownAll(x, y) };
      }
      case 'binary': {
        const x = number(node.x), y = number(node.y);
        if (!x || !y) return undefined;
        const known = knownAll(x, y);
        switch (node.op) {
          case 'add': return { low: add(x.low, y.low), high: add(x.high, y.high), step: commonStep([x, 1], [y, 1]), ...known };
          case 'sub': return { low: sub(x.low, y.high), high: sub(x.high, y.low), step: commonStep([x, 1], [y, 1]), ...known };
          case 'mul': return node.y.kind === 'constant' && node.y.value >= 0 ? { low: mul(x.low, y.low), high: mul(x.high, y.low), step: commonStep([x, node.y.value]), ...known } : undefined;
          case 'max': return { low: larger(x.low, y.low), high: larger(x.high, y.high), ...known };
          case 'min': return { low: smaller(x.low, y.low), high: smaller(x.high, y.high), ...known };
          case 'mod': return node.y.kind === 'constant' && node.y.value > 0 ? { ...remainder(x, node.y.value), ...known } : undefined;
          case 'div': return node.y.kind === 'constant' && node.y.value > 0 ? { low: op('i32.div_s', x.low, y.low), high: op('i32.div_s', x.high, y.low), ...known } : undefined;
          default: return undefined;
        }
      }
      default: return undefined;
    }
  };
  const indexBounds = (index: NormalIndex): Interval | undefined => {
    let low: Code = int(index.base), high: Code = int(index.base);
    const parts: Interval[] = [];
    for (const { atom: { what }, factor } of index.terms) {
      const within = what.kind === 'loop' ? axes[what.axis] : what.kind === 'value' ? number(what.of) : part(what.kind, what.of, what.by);
      if (!within) return undefined;
      parts.push(within);
      const [from, to] = factor > 0 ? [within.low, within.high] : [within.high, within.low];
      low = add(low, mul(from, int(factor)));
      high = add(high, mul(to, int(factor)));
    }
    return { low, high, step: commonStep(...parts.map((part, i) => [part, index.terms[i]!.factor] as const)), ...knownAll(...parts) };
  };
  /** Of a division by `by` > 0, with the sign of the dividend. */
  const remainder = (x: Interval, by: number): Interval => {
    const first = name(op('i32.rem_s', x.low, int(by))), negative = name(op('i32.lt_s', x.low, int(0)));
    // one residue: of numbers below 0 it is the negative one
    if ((x.step ?? 1) % by === 0) return { low: first, high: op('select', add(first, int(by)), first, op('i32.and', op('i32.ne', first, int(0)), op('i32.and', negative, op('i32.ge_s', x.high, int(0))))), step: x.step === 0 ? 0 : by };
    const onePeriod = name(op('i32.and', op('i32.eqz', negative), op('i32.eq', op('i32.div_s', x.low, int(by)), op('i32.div_s', x.high, int(by)))));
    return { low: op('select', first, op('select', int(1 - by), int(0), negative), onePeriod), high: op('select', op('i32.rem_s', x.high, int(by)), int(by - 1), onePeriod) };
  };
  /** i32s that are loaded: the least and the greatest of those from the first to the last place, if they are not many. A place of a block is one of the slot's. */
  const loaded = (slot: number, index: NormalIndex): Interval | undefined => {
    const address = slots[slot], at = indexBounds(index);
    if (!address || !at) return undefined;
    const base = get(address), low = name(at.low), span = name(sub(at.high, low)), few = op('i32.lt_u', span, int(mostLoaded)), known = name(at.known ? op('i32.and', few, at.known) : few);
    if (at.step === 0) { const value = name(load('i32.load', add(base, scaled(op('select', low, int(0), known), 4)))); return { low: value, high: value, step: 0, known }; }
    const least = f.local('i32'), most = f.local('i32'), place = f.local('i32'), one = f.local('i32'), lows = f.local('v128'), highs = f.local('v128'), four = f.local('v128');
    const vectors: Segment = [
      set(lows, load('v128.load', sub(add(get(place), scaled(span, 4)), int(12)))), set(highs, get(lows)), // the last four, which may be among those before
      set(one, add(get(place), op('i32.and', scaled(span, 4), int(-16)))),
      whileBelow(place, get(one), int(16), [set(four, load('v128.load', get(place))), set(lows, op('i32x4.min_s', get(lows), get(four))), set(highs, op('i32x4.max_s', get(highs), get(four)))]),
    ];
    vectors.push(
      set(least, onLane('i32x4.extract_lane', 0, acrossLanes(f, vectors, get(lows), (x, y) => op('i32x4.min_s', x, y)))),
      set(most, onLane('i32x4.extract_lane', 0, acrossLanes(f, vectors, get(highs), (x, y) => op('i32x4.max_s', x, y)))),
    );
    const single: Segment = [
      set(least, load('i32.load', get(place))), set(most, get(least)),
      forRange(lane, int(0), span, int(1), [set(one, load('i32.load', add(get(place), scaled(get(lane), 4)), 4)), set(least, smaller(get(least), get(one))), set(most, larger(get(most), get(one)))]),
    ];
    out.push(set(least, int(0)), set(most, int(0)), when(known, [set(place, add(base, scaled(low, 4))), when(op('i32.ge_u', span, int(3)), vectors, single)]));
    return { low: get(least), high: get(most), known };
  };
  const part = (kind: 'div' | 'mod', of: NormalIndex, by: number): Interval | undefined => {
    const x = indexBounds(of);
    if (x && kind === 'mod') return { ...remainder(x, by), ...knownAll(x) };
    return x && { low: op('i32.div_s', x.low, int(by)), high: op('i32.div_s', x.high, int(by)), ...knownAll(x) };
  };
  return condition(mask);
}

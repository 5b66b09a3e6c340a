/**
 * Whether a mask can let anything through in a block of scores: interval arithmetic over the block, as scalar code that
 * runs once a block. What it cannot follow (floats, loads from places that differ within the block) it takes to be possible.
 */
import { add, get, int, load, mul, named, op, scaled, sub } from './code.js';
import type { Code, FunctionBuilder, Local, Segment } from './encoder.js';
import type { Node, NormalIndex } from './normal.js';

/** Least and greatest value, both reached or not: signed integers without overflow. */
export interface Interval {
  readonly low: Code;
  readonly high: Code;
  /** Code (0 or 1) for whether the bounds are worth anything; absent: they are. */
  readonly known?: Code;
}
/** Whether a condition may hold somewhere, and whether it may fail somewhere, as 0 or 1. */
interface Possible { readonly holds: Code; readonly fails: Code }

const unknown: Possible = { holds: int(1), fails: int(1) };
const smaller = (x: Code, y: Code): Code => op('select', x, y, op('i32.lt_s', x, y));
const larger = (x: Code, y: Code): Code => op('select', x, y, op('i32.gt_s', x, y));

/** Whether all of these are known. */
function knownAll(...parts: readonly Interval[]): { readonly known?: Code } {
  const flags = parts.flatMap(({ known }) => (known ? [known] : []));
  return flags.length > 0 ? { known: flags.reduce((x, y) => op('i32.and', x, y)) } : {};
}

/**
 * Code (0 or 1, from names set in `out`) for whether `mask` may be true where loop axis i lies within `axes[i]`.
 * `slots[i]` holds the address of the i-th slot that the mask loads from; without it, loads are unknown.
 */
export function mayHold(f: FunctionBuilder, out: Segment, mask: Node, axes: readonly Interval[], slots: readonly Local[] = []): Code {
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
    if (node.kind !== 'binary') return unknown;
    if (node.x.dtype === 'bool') {
      const x = condition(node.x), y = condition(node.y);
      if (node.op === 'and') return { holds: op('i32.and', x.holds, y.holds), fails: op('i32.or', x.fails, y.fails) };
      if (node.op === 'or') return { holds: op('i32.or', x.holds, y.holds), fails: op('i32.and', x.fails, y.fails) };
      return unknown;
    }
    const x = number(node.x), y = number(node.y);
    if (!x || !y) return unknown;
    const { known } = knownAll(x, y), unless = (code: Code): Code => (known ? op('i32.or', code, op('i32.eqz', known)) : code);
    const possible = compare(node.op, x, y);
    return { holds: unless(possible.holds), fails: unless(possible.fails) };
  };
  const compare = (kind: string, x: Interval, y: Interval): Possible => {
    const meet = op('i32.and', op('i32.le_s', x.low, y.high), op('i32.le_s', y.low, x.high));
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
      numbers.set(node, found && { low: name(found.low), high: name(found.high), ...(found.known ? { known: name(found.known) } : {}) });
    }
    return numbers.get(node);
  };
  const bound = (node: Node): Interval | undefined => {
    switch (node.kind) {
      case 'constant': return { low: int(node.value), high: int(node.value) };
      case 'index': return indexBounds(node.index);
      case 'load': return node.guard ? undefined : loaded(node.slot, node.index);
      case 'unary': {
        const x = node.op === 'neg' ? number(node.x) : undefined;
        return x && { low: sub(int(0), x.high), high: sub(int(0), x.low), ...knownAll(x) };
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
          case 'add': return { low: add(x.low, y.low), high: add(x.high, y.high), ...known };
          case 'sub': return { low: sub(x.low, y.high), high: sub(x.high, y.low), ...known };
          case 'mul': return node.y.kind === 'constant' && node.y.value >= 0 ? { low: mul(x.low, y.low), high: mul(x.high, y.low), ...known } : undefined;
          case 'max': return { low: larger(x.low, y.low), high: larger(x.high, y.high), ...known };
          case 'min': return { low: smaller(x.low, y.low), high: smaller(x.high, y.high), ...known };
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
    return { low, high, ...knownAll(...parts) };
  };
  /** An i32 that is loaded: known where one place is all that the block loads from. A place of a block is one of the slot's. */
  const loaded = (slot: number, index: NormalIndex): Interval | undefined => {
    const address = slots[slot], at = indexBounds(index);
    if (!address || !at) return undefined;
    const low = name(at.low), alone = op('i32.eq', low, at.high), known = name(at.known ? op('i32.and', alone, at.known) : alone);
    const value = name(load('i32.load', add(get(address), scaled(op('select', low, int(0), known), 4))));
    return { low: value, high: value, known };
  };
  const part = (kind: 'div' | 'mod', of: NormalIndex, by: number): Interval | undefined => {
    if (kind === 'mod') return { low: int(0), high: int(by - 1) };
    const x = indexBounds(of);
    return x && { low: op('i32.div_s', x.low, int(by)), high: op('i32.div_s', x.high, int(by)), ...knownAll(x) };
  };
  return condition(mask).holds;
}

/**
 * Whether a mask can let anything through in a block of scores: interval arithmetic over the block, as scalar code that
 * runs once a block. What it cannot follow (loads, floats) it takes to be possible.
 */
import { add, int, mul, named, op, sub } from './code.js';
import type { Code, FunctionBuilder, Segment } from './encoder.js';
import type { Node, NormalIndex } from './normal.js';

/** Least and greatest value, both reached or not: signed integers without overflow. */
export interface Interval { readonly low: Code; readonly high: Code }
/** Whether a condition may hold somewhere, and whether it may fail somewhere, as 0 or 1. */
interface Possible { readonly holds: Code; readonly fails: Code }

const unknown: Possible = { holds: int(1), fails: int(1) };
const smaller = (x: Code, y: Code): Code => op('select', x, y, op('i32.lt_s', x, y));
const larger = (x: Code, y: Code): Code => op('select', x, y, op('i32.gt_s', x, y));

/** Code (0 or 1, from names set in `out`) for whether `mask` may be true where loop axis i lies within `axes[i]`. */
export function mayHold(f: FunctionBuilder, out: Segment, mask: Node, axes: readonly Interval[]): Code {
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
    const meets = op('i32.and', op('i32.le_s', x.low, y.high), op('i32.le_s', y.low, x.high));
    switch (node.op) {
      case 'lt': return { holds: op('i32.lt_s', x.low, y.high), fails: op('i32.ge_s', x.high, y.low) };
      case 'le': return { holds: op('i32.le_s', x.low, y.high), fails: op('i32.gt_s', x.high, y.low) };
      case 'eq': return { holds: meets, fails: int(1) };
      case 'ne': return { holds: int(1), fails: meets };
      default: return unknown;
    }
  };

  const number = (node: Node): Interval | undefined => {
    if (!numbers.has(node)) {
      const found = node.dtype === 'i32' ? bound(node) : undefined;
      numbers.set(node, found && { low: name(found.low), high: name(found.high) });
    }
    return numbers.get(node);
  };
  const bound = (node: Node): Interval | undefined => {
    switch (node.kind) {
      case 'constant': return { low: int(node.value), high: int(node.value) };
      case 'index': return indexBounds(node.index);
      case 'unary': {
        const x = node.op === 'neg' ? number(node.x) : undefined;
        return x && { low: sub(int(0), x.high), high: sub(int(0), x.low) };
      }
      case 'select': {
        const x = number(node.x), y = number(node.y);
        return x && y && { low: smaller(x.low, y.low), high: larger(x.high, y.high) };
      }
      case 'binary': {
        const x = number(node.x), y = number(node.y);
        if (!x || !y) return undefined;
        switch (node.op) {
          case 'add': return { low: add(x.low, y.low), high: add(x.high, y.high) };
          case 'sub': return { low: sub(x.low, y.high), high: sub(x.high, y.low) };
          case 'max': return { low: larger(x.low, y.low), high: larger(x.high, y.high) };
          case 'min': return { low: smaller(x.low, y.low), high: smaller(x.high, y.high) };
          case 'div': return node.y.kind === 'constant' && node.y.value > 0 ? { low: op('i32.div_s', x.low, y.low), high: op('i32.div_s', x.high, y.low) } : undefined;
          default: return undefined;
        }
      }
      default: return undefined;
    }
  };
  const indexBounds = (index: NormalIndex): Interval | undefined => {
    let low: Code = int(index.base), high: Code = int(index.base);
    for (const { atom: { what }, factor } of index.terms) {
      const within = what.kind === 'loop' ? axes[what.axis] : what.kind === 'value' ? undefined : part(what.kind, what.of, what.by);
      if (!within) return undefined;
      const [from, to] = factor > 0 ? [within.low, within.high] : [within.high, within.low];
      low = add(low, mul(from, int(factor)));
      high = add(high, mul(to, int(factor)));
    }
    return { low, high };
  };
  const part = (kind: 'div' | 'mod', of: NormalIndex, by: number): Interval | undefined => {
    if (kind === 'mod') return { low: int(0), high: int(by - 1) };
    const x = indexBounds(of);
    return x && { low: op('i32.div_s', x.low, int(by)), high: op('i32.div_s', x.high, int(by)) };
  };
  return condition(mask).holds;
}

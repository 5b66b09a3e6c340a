/** Which blocks of an attention's score matrix a mask leaves empty, full, or mixed: interval arithmetic on its expression. */
import type { Atom, Expression, Index } from './kernel.js';

/** 0: no score counts; 1: some may; 2: all count. */
export type BlockState = 0 | 1 | 2;

interface Range { readonly low: number; readonly high: number }
const anything: Range = { low: -Infinity, high: Infinity };

/**
 * The states of all blocks, [⌈T/blockT⌉ × ⌈S/blockS⌉] row-major, for the mask over loop axes 0…3 = batch, head, query, key,
 * whatever batch and head. What the mask loads from memory counts as unknown.
 */
export function blockMap(mask: Expression, grid: { readonly B: number; readonly H: number; readonly T: number; readonly S: number }, blockT: number, blockS: number): Uint8Array {
  const rows = Math.ceil(grid.T / blockT), columns = Math.ceil(grid.S / blockS), states = new Uint8Array(rows * columns);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) {
    const { low, high } = rangeOfExpression(mask, [
      { low: 0, high: grid.B - 1 }, { low: 0, high: grid.H - 1 },
      { low: i * blockT, high: Math.min(grid.T, (i + 1) * blockT) - 1 }, { low: j * blockS, high: Math.min(grid.S, (j + 1) * blockS) - 1 },
    ]);
    states[i * columns + j] = high === 0 ? 0 : low === 1 ? 2 : 1;
  }
  return states;
}

/** Bounds of an expression where each loop axis lies in a range. bool is 0…1. */
export function rangeOfExpression(root: Expression, axes: readonly Range[]): Range {
  const known = new Map<Expression, Range>();
  const of = (e: Expression): Range => {
    let range = known.get(e);
    if (!range) known.set(e, (range = compute(e)));
    return range;
  };
  const index = (at: Index): Range => at.terms.reduce<Range>((sum, { atom, factor }) => {
    const { low, high } = ofAtom(atom);
    return factor >= 0 ? { low: sum.low + factor * low, high: sum.high + factor * high } : { low: sum.low + factor * high, high: sum.high + factor * low };
  }, { low: at.base, high: at.base });
  const ofAtom = (atom: Atom): Range => {
    switch (atom.kind) {
      case 'loop': return axes[atom.axis]!;
      case 'value': return of(atom.of);
      case 'div': { const { low, high } = index(atom.of); return { low: Math.floor(low / atom.by), high: Math.floor(high / atom.by) }; }
      case 'mod': {
        const { low, high } = index(atom.of), base = Math.floor(low / atom.by);
        return base === Math.floor(high / atom.by) ? { low: low - base * atom.by, high: high - base * atom.by } : { low: 0, high: atom.by - 1 };
      }
    }
  };
  const bool = (low: boolean, high: boolean): Range => ({ low: Number(low), high: Number(high) });
  const corners = (x: Range, y: Range, f: (a: number, b: number) => number): Range => {
    const values = [f(x.low, y.low), f(x.low, y.high), f(x.high, y.low), f(x.high, y.high)].map((value) => (Number.isNaN(value) ? 0 : value));
    return { low: Math.min(...values), high: Math.max(...values) };
  };
  const compute = (e: Expression): Range => {
    switch (e.kind) {
      case 'constant': return { low: Number(e.value), high: Number(e.value) };
      case 'index': return index(e.index);
      case 'cast': {
        const x = of(e.x);
        if (e.dtype === 'bool') return bool(x.low > 0 || x.high < 0, !(x.low === 0 && x.high === 0));
        if (e.dtype === 'u32' && x.low < 0) return { low: 0, high: 4294967295 };
        return e.dtype === 'i32' || e.dtype === 'u32' ? { low: Math.trunc(x.low), high: Math.trunc(x.high) } : x;
      }
      case 'select': { const test = of(e.test), x = of(e.x), y = of(e.y); return test.low === 1 ? x : test.high === 0 ? y : { low: Math.min(x.low, y.low), high: Math.max(x.high, y.high) }; }
      case 'unary': {
        const x = of(e.x);
        if (e.op === 'neg') return { low: -x.high, high: -x.low };
        if (e.op === 'abs') return x.low >= 0 ? x : x.high <= 0 ? { low: -x.high, high: -x.low } : { low: 0, high: Math.max(-x.low, x.high) };
        if (e.op === 'not' && e.dtype === 'bool') return { low: 1 - x.high, high: 1 - x.low };
        return e.dtype === 'bool' ? bool(false, true) : anything;
      }
      case 'binary': {
        const x = of(e.x), y = of(e.y);
        switch (e.op) {
          case 'lt': return bool(x.high < y.low, x.low < y.high);
          case 'le': return bool(x.high <= y.low, x.low <= y.high);
          case 'eq': return bool(x.low === x.high && y.low === y.high && x.low === y.low, x.low <= y.high && y.low <= x.high);
          case 'ne': return bool(x.high < y.low || y.high < x.low, !(x.low === x.high && y.low === y.high && x.low === y.low));
          case 'and': if (e.dtype === 'bool') return { low: Math.min(x.low, y.low), high: Math.min(x.high, y.high) }; break;
          case 'or': if (e.dtype === 'bool') return { low: Math.max(x.low, y.low), high: Math.max(x.high, y.high) }; break;
          case 'add': return { low: x.low + y.low, high: x.high + y.high };
          case 'sub': return { low: x.low - y.high, high: x.high - y.low };
          case 'mul': return corners(x, y, (a, b) => a * b);
          case 'max': return { low: Math.max(x.low, y.low), high: Math.max(x.high, y.high) };
          case 'min': return { low: Math.min(x.low, y.low), high: Math.min(x.high, y.high) };
          case 'div': if (e.dtype === 'i32' && y.low === y.high && y.low > 0 && x.low >= 0) return { low: Math.floor(x.low / y.low), high: Math.floor(x.high / y.low) }; break;
          case 'mod': if (e.dtype === 'i32' && y.low === y.high && y.low > 0 && x.low >= 0) return Math.floor(x.low / y.low) === Math.floor(x.high / y.low) ? { low: x.low % y.low, high: x.high % y.low } : { low: 0, high: y.low - 1 }; break;
          default: break;
        }
        return e.dtype === 'bool' ? bool(false, true) : anything;
      }
      default: return e.dtype === 'bool' ? bool(false, true) : anything;
    }
  };
  return of(root);
}

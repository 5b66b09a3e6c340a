/** Loops around an emitter: plain, divided among threads, and four lanes at a time. */
import { add, forRange, get, int, minimum, mul, op, set, whileBelow, when } from './code.js';
import type { Code, FunctionBuilder, Local, Segment } from './encoder.js';
import type { Emitter } from './emitter.js';

/** A loop axis and its size. */
export interface Axis { readonly axis: number; readonly size: number }

/** The share of `units` that thread `thread` of `threads` takes: [start, end) in fresh locals, code appended to `out`. */
export function share(f: FunctionBuilder, out: Segment, thread: Code, threads: number, units: number): { start: Local; end: Local } {
  const start = f.local('i32'), end = f.local('i32');
  const each = Math.floor(units / threads), left = units % threads;
  out.push(set(start, left ? add(mul(thread, int(each)), minimum(thread, int(left))) : mul(thread, int(each))));
  out.push(set(end, add(get(start), left ? add(int(each), op('i32.lt_u', thread, int(left))) : int(each))));
  return { start, end };
}

/** Nested loops over whole axes, outermost first; `build` fills the innermost. */
export function loops(e: Emitter, axes: readonly Axis[], build: () => void): void {
  const first = axes[0];
  if (!first) { build(); return; }
  const i = e.f.local('i32');
  const body = e.scope(() => { e.bind(first.axis, i); loops(e, axes.slice(1), build); });
  e.push(forRange(i, int(0), int(first.size), int(1), body));
}

/** The same, with the points of the leading axes divided among threads in order. */
export function dividedLoops(e: Emitter, axes: readonly Axis[], thread: Code, threads: number, build: () => void): void {
  if (threads === 1 || axes.length === 0) { loops(e, axes, build); return; }
  let leading = 1, points = axes[0]!.size;
  while (points < 8 * threads && leading < axes.length) points *= axes[leading++]!.size;
  const { start, end } = share(e.f, e.segment, thread, threads, points);
  const position = e.f.local('i32');
  const body = e.scope(() => {
    const rest = e.f.local('i32');
    if (leading > 1) e.push(set(rest, get(position)));
    for (let at = leading - 1; at >= 0; at--) {
      const { axis, size } = axes[at]!;
      if (at === 0) { e.bind(axis, leading > 1 ? rest : position); break; }
      const value = e.f.local('i32');
      e.push(set(value, op('i32.rem_u', get(rest), int(size))));
      e.push(set(rest, op('i32.div_u', get(rest), int(size))));
      e.bind(axis, value);
    }
    loops(e, axes.slice(leading), build);
  });
  e.push([set(position, get(start)), whileBelow(position, get(end), int(1), body)]);
}

/**
 * Walks an axis of `size` elements in vectors: `unroll` (a power of two) vectors at a time, then one, then the last
 * `size mod 4` lanes. `build(groups)` fills each of the three bodies.
 * `range`, in elements, may restrict it: its start is a multiple of 4·unroll, its end too unless it is `size`.
 */
export function vectorLoop(e: Emitter, axis: number, size: number, unroll: number, build: (groups: number) => void, range?: { readonly start: Code; readonly end: Code }): void {
  const { f } = e;
  const bytes = f.local('i32');
  const tail = size % 4, chunk = 16 * unroll;
  const body = (groups: number, lanes: number): Segment => e.scope(() => { e.bindVector(axis, bytes, lanes); build(groups); });
  const end = f.local('i32');
  if (range) e.push([set(bytes, mul(range.start, int(4))), set(end, mul(range.end, int(4)))]);
  else e.push(set(bytes, int(0)));
  const until = (step: number): Code => (range ? op('i32.and', get(end), int(-step)) : int(Math.floor(size * 4 / step) * step));
  if (unroll > 1 && size >= 4 * unroll) {
    const main = body(unroll, 4), stop = f.local('i32');
    e.push([set(stop, until(chunk)), whileBelow(bytes, get(stop), int(chunk), main)]);
  }
  if (unroll === 1 ? size >= 4 : size % (4 * unroll) >= 4) {
    const single = body(1, 4), stop = f.local('i32');
    e.push([set(stop, until(16)), whileBelow(bytes, get(stop), int(16), single)]);
  }
  if (tail) {
    const last = body(1, tail);
    e.push(range ? when(op('i32.eq', get(end), int(size * 4)), last) : last);
  }
}

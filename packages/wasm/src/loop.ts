/** Loop kernels: element-wise glue, row reductions (vectors along the row) and column reductions (vectors across). */
import type { LoopKernel, Slot } from '@ashlar/tensor';
import { add, forRange, get, int, minimum, named, onLane, op, set, splat, vectorConstant, when } from './code.js';
import type { Code, FunctionBuilder, Local, ModuleBuilder, Segment } from './encoder.js';
import { Emitter, strideAlong } from './emitter.js';
import { acrossLanes } from './math.js';
import { dividedLoops, loops, share, vectorLoop } from './nest.js';
import type { Axis } from './nest.js';
import { collapse, Interner } from './normal.js';
import type { Node, NormalReduction, NormalStore } from './normal.js';
import { combine, identity } from './operations.js';

/** A compiled kernel: call `f(thread, scratch, ...addresses of slots)`. */
export interface CompiledKernel {
  readonly f: FunctionBuilder;
  readonly slots: readonly Slot[];
  /** Too small to divide: one thread, whichever, calls it as thread 0. */
  readonly oneThread: boolean;
}

interface Normal {
  readonly space: readonly number[];
  readonly boundary: number;
  readonly reductions: readonly NormalReduction[];
  readonly outerStores: readonly NormalStore[];
  readonly innerStores: readonly NormalStore[];
}

/** Below this many node evaluations a kernel is not worth dividing among threads. */
const smallWork = 12_000;
/** Long sums down a column are cut into runs of this many terms; the runs are added with Kahan's compensation. */
const runLength = 128;

/** The function of a loop kernel, or undefined where there is nothing to do. Equal kernels share one function. */
export function compileLoop(module: ModuleBuilder, kernel: LoopKernel, threads: number): CompiledKernel | undefined {
  if (kernel.space.slice(0, kernel.outer).includes(0)) return undefined;
  const emptyInner = kernel.space.slice(kernel.outer).includes(0);
  const { space, boundary, body } = collapse(
    emptyInner ? kernel.space.slice(0, kernel.outer) : kernel.space, kernel.outer,
    { reductions: emptyInner ? [] : kernel.reductions, outerStores: kernel.outerStores, innerStores: emptyInner ? [] : kernel.innerStores },
  );
  const interner = new Interner();
  const reductions = body.reductions.map((r) => ({ op: r.op, level: r.level, dtype: r.dtype, value: interner.node(r.value) }));
  const outerStores = body.outerStores.map((s) => interner.store(s)), innerStores = body.innerStores.map((s) => interner.store(s));
  const points = space.reduce((product, size) => product * size, 1);
  const oneThread = threads === 1 || points * (interner.nodeCount + 1) < smallWork || (boundary === 0 && reductions.length > 0);
  const normal: Normal = { space: space.length ? space : [1], boundary: space.length ? boundary : 1, reductions, outerStores, innerStores };
  const stores = [outerStores, innerStores].map((list) => list.map((s) => `${s.slot}[${s.index.key}]=${s.value.id}`).join());
  const identities = emptyInner ? kernel.reductions.map((r) => `${r.op}${r.dtype}`).join() : '';
  const key = `loop ${normal.space.join()}:${normal.boundary} ${oneThread} ${reductions.map((r) => `${r.op}${r.level}${r.dtype}${r.value.id}`).join()} ${stores.join(';')} ${identities} ${interner.key}`;
  const f = module.once(key, () => module.define(kernel.name, ['i32', 'i32', ...interner.slots.map(() => 'i32' as const)], [], (builder) => {
    emit(module, builder, normal, interner, oneThread ? 1 : threads, emptyInner ? kernel.reductions : []);
  }));
  return { f, slots: interner.slots, oneThread };
}

/** Estimated cost of a point when vectors run along `axis`. */
function costAlong(normal: Normal, interner: Interner, axis: number): number {
  const price = (stride: number | 'irregular'): number => (stride === 0 ? 0.25 : stride === 1 ? 1 : stride === 'irregular' ? 12 : 5);
  const { space, boundary, reductions } = normal;
  let cost = 0.25 * interner.nodeCount;
  for (const node of interner.allNodes()) if (node.kind === 'load') cost += price(strideAlong(node.index, axis));
  const inner = space.slice(boundary).reduce((product, size) => product * size, 1);
  for (const store of normal.outerStores) cost += price(strideAlong(store.index, axis)) / (axis < boundary ? inner : 4 * inner);
  for (const store of normal.innerStores) cost += price(strideAlong(store.index, axis));
  const size = space[axis]!;
  cost *= Math.ceil(size / 4) * 4 / size;
  if (axis >= boundary) cost += 24 * reductions.length / inner;
  return cost - 1e-6 * axis; // the later axis where all else is equal
}

function emit(module: ModuleBuilder, f: FunctionBuilder, normal: Normal, interner: Interner, threads: number, empty: LoopKernel['reductions']): void {
  const e = new Emitter(module, f, interner.slots.map((_, i) => f.param(i + 2)));
  const thread = get(f.param(0));
  const { space, boundary, reductions, outerStores, innerStores } = normal;
  const axes = space.map((size, axis) => ({ axis, size }));
  const vector = axes.reduce((best, { axis }) => (costAlong(normal, interner, axis) < costAlong(normal, interner, best) ? axis : best), 0);
  empty.forEach((r, i) => {
    const local = f.local('v128');
    e.push(set(local, identity(f, r.op, r.dtype)));
    e.setReduced(i, 0, local);
  });
  const rows = axes.slice(0, boundary).filter(({ axis }) => axis !== vector);
  const inner = axes.slice(boundary).filter(({ axis }) => axis !== vector);
  const levels = [...new Set(reductions.map((r) => r.level))].sort((x, y) => x - y);
  const size = space[vector]!;

  if (vector >= boundary) {
    dividedLoops(e, rows, thread, threads, () => {
      e.bindReduced(false);
      const widest = size >= 64 ? 4 : size >= 16 ? 2 : 1;
      for (const level of levels) reduceRow(e, reductions, level, inner, vector, size, interner.nodeCount > 60 ? Math.min(widest, 2) : widest);
      const values = outerStores.map((store) => e.value(store.value));
      if (innerStores.length) {
        loops(e, inner, () => { vectorLoop(e, vector, size, 1, (groups) => { writeAll(e, innerStores, groups); }); });
      }
      outerStores.forEach((store, i) => { e.store(store, 0, values[i]!); });
    });
    return;
  }

  const unroll = reductions.length && inner.length && size >= 16 ? (reductions.length > 1 || interner.nodeCount > 40 ? 2 : 4) : 1;
  const body = (groups: number): void => {
    if (reductions.length) {
      e.bindReduced(true);
      for (const level of levels) reduceColumns(e, reductions, level, inner, groups);
    }
    const values = outerStores.map((store) => range(groups).map((group) => e.value(store.value, group)));
    if (innerStores.length) loops(e, inner, () => { writeAll(e, innerStores, groups); });
    outerStores.forEach((store, i) => { for (const group of range(groups)) e.store(store, group, values[i]![group]!); });
  };
  const rowCount = rows.reduce((product, row) => product * row.size, 1);
  const blocks = Math.ceil(size / (4 * unroll));
  if (threads > 1 && rowCount < 8 * threads && blocks > rowCount) {
    const { start, end } = share(f, e.segment, thread, threads, blocks);
    const from = named(f, 'i32', e.segment, op('i32.mul', get(start), int(4 * unroll)));
    const to = named(f, 'i32', e.segment, minimum(op('i32.mul', get(end), int(4 * unroll)), int(size)));
    loops(e, rows, () => { vectorLoop(e, vector, size, unroll, body, { start: from, end: to }); });
  } else {
    const kept = keptWhere(normal, vector);
    dividedLoops(e, rows, thread, threads, () => {
      if (!kept) { vectorLoop(e, vector, size, unroll, body); return; }
      const changes = onLane('i32x4.extract_lane', 0, e.value(kept.test));
      const change = e.scope(() => { vectorLoop(e, vector, size, 1, (groups) => { writeAll(e, kept.stores, groups); }); });
      e.push(when(changes, change));
    });
  }
}

/**
 * Where all that a kernel does is to give elements new values under one condition, and that is the same for whole runs of
 * the vector axis: the condition, and the stores of the new values. The others need not be touched.
 */
function keptWhere({ reductions, innerStores, outerStores }: Normal, vector: number): { readonly test: Node; readonly stores: readonly NormalStore[] } | undefined {
  const changes = outerStores.map(({ value, ...to }) => (value.kind === 'select' && value.y.kind === 'load' && value.y.slot === to.slot && value.y.index.key === to.index.key && !value.y.guard ? { test: value.test, store: { ...to, value: value.x } } : undefined));
  const [first] = changes;
  if (!first || reductions.length > 0 || innerStores.length > 0 || first.test.depends & (1 << vector)) return undefined;
  return changes.every((change) => change?.test === first.test) ? { test: first.test, stores: changes.map((change) => change!.store) } : undefined;
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Computes every store's value at every group, then writes them all. */
function writeAll(e: Emitter, stores: readonly NormalStore[], groups: number): void {
  const values = stores.map((store) => range(groups).map((group) => e.value(store.value, group)));
  stores.forEach((store, i) => { for (const group of range(groups)) e.store(store, group, values[i]![group]!); });
}

/** One level of reductions with vectors along the reduced axis: several accumulators, then across their lanes. */
function reduceRow(e: Emitter, all: readonly NormalReduction[], level: number, inner: readonly Axis[], vector: number, size: number, unroll: number): void {
  const { f } = e;
  const items = all.map((r, i) => ({ ...r, i })).filter((r) => r.level === level);
  const accumulators = items.map((r) => range(unroll).map(() => {
    const local = f.local('v128');
    e.push(set(local, identity(f, r.op, r.dtype)));
    return local;
  }));
  loops(e, inner, () => {
    vectorLoop(e, vector, size, unroll, (groups) => {
      items.forEach((r, at) => {
        for (const group of range(groups)) {
          const local = accumulators[at]![group]!;
          let value = e.value(r.value, group);
          if (e.lanes < 4) {
            const mask = f.shared(`lanes${e.lanes}`, 'v128', () => vectorConstant([-1, e.lanes > 1 ? -1 : 0, e.lanes > 2 ? -1 : 0, 0]));
            value = op('v128.bitselect', value, identity(f, r.op, r.dtype), get(mask));
          }
          e.push(set(local, combine(r.op, r.dtype)(get(local), value)));
        }
      });
    });
  });
  items.forEach((r, at) => {
    const join = combine(r.op, r.dtype);
    let parts: Code[] = accumulators[at]!.map(get);
    while (parts.length > 1) parts = parts.slice(0, parts.length / 2).map((part, i) => join(part, parts[i + parts.length / 2]!));
    const total = f.local('v128');
    e.push(set(total, acrossLanes(f, e.segment, parts[0]!, join)));
    e.setReduced(r.i, 0, total);
  });
}

/** One level of reductions with vectors across an outer axis: each lane sums its own column. */
function reduceColumns(e: Emitter, all: readonly NormalReduction[], level: number, inner: readonly Axis[], groups: number): void {
  const { f } = e;
  const items = all.map((r, i) => ({ ...r, i })).filter((r) => r.level === level);
  const fresh = (r: NormalReduction): Local => {
    const local = f.local('v128');
    e.push(set(local, identity(f, r.op, r.dtype)));
    return local;
  };
  const totals = items.map((r) => range(groups).map(() => fresh(r)));
  const accumulate = (targets: readonly (readonly Local[])[]): void => {
    items.forEach((r, at) => {
      for (const group of range(groups)) {
        const local = targets[at]![group]!;
        e.push(set(local, combine(r.op, r.dtype)(get(local), e.value(r.value, group))));
      }
    });
  };
  const last = inner[inner.length - 1];
  const long = last !== undefined && last.size >= 2 * runLength && items.some((r) => r.op === 'sum');
  if (!long) loops(e, inner, () => { accumulate(totals); });
  else loops(e, inner.slice(0, -1), () => {
    const start = f.local('i32'), i = f.local('i32');
    const losses = items.map((r) => range(groups).map(() => (r.op === 'sum' && r.dtype !== 'i32' && r.dtype !== 'u32' ? f.local('v128') : undefined)));
    for (const lost of losses.flat()) if (lost) e.push(set(lost, splat(f, 0)));
    const run = e.scope(() => {
      const partial = items.map((r) => range(groups).map(() => fresh(r)));
      const stop = named(f, 'i32', e.segment, minimum(add(get(start), int(runLength)), int(last.size)));
      const body = e.scope(() => { e.bind(last.axis, i); accumulate(partial); });
      e.push(forRange(i, get(start), stop, int(1), body));
      items.forEach((r, at) => {
        for (const group of range(groups)) {
          const total = totals[at]![group]!, part = get(partial[at]![group]!), lost = losses[at]![group];
          e.push(lost ? compensatedAdd(f, total, lost, part) : set(total, combine(r.op, r.dtype)(get(total), part)));
        }
      });
    });
    e.push(forRange(start, int(0), int(last.size), int(runLength), run));
  });
  items.forEach((r, at) => { totals[at]!.forEach((local, group) => { e.setReduced(r.i, group, local); }); });
}

/** total += part, with what rounding lost carried in `lost` (finite sums only: an infinite total stays as it is). */
function compensatedAdd(f: FunctionBuilder, total: Local, lost: Local, part: Code): Code {
  const out: Segment = [];
  const y = named(f, 'v128', out, op('f32x4.sub', part, get(lost)));
  const next = named(f, 'v128', out, op('f32x4.add', get(total), y));
  const error = named(f, 'v128', out, op('f32x4.sub', op('f32x4.sub', next, get(total)), y));
  const finite = op('f32x4.eq', op('f32x4.sub', error, error), splat(f, 0));
  out.push(set(lost, op('v128.and', error, finite)), set(total, next));
  return out;
}

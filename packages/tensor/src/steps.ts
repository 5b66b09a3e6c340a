/** What is known of kernels before they run: what they touch, what they cost, which are alike. */
import { fusedOps } from './fused.js';
import { bytesPerElement } from './dtype.js';
import { indexKey } from './index-algebra.js';
import type { Expression, Index, Kernel, LoopKernel, Slot, Store } from './kernel.js';
import { visitExpression } from './lower.js';
import { sizeOf } from './node.js';

export interface Touched { readonly reads: ReadonlySet<Slot>; readonly writes: ReadonlySet<Slot> }

const expressionsOf = (kernel: LoopKernel | { stores: readonly Store[] }): Expression[] =>
  'stores' in kernel ? kernel.stores.map((store) => store.value) : [...kernel.reductions.map((reduction) => reduction.value), ...kernel.outerStores.map((store) => store.value), ...kernel.innerStores.map((store) => store.value)];

/** The slots that a kernel reads and writes. */
export function slotsOf(kernel: Kernel): Touched {
  const reads = new Set<Slot>(), writes = new Set<Slot>();
  const loads = (expressions: readonly Expression[]): void => {
    const seen = new Set<Expression>();
    for (const expression of expressions) visitExpression(expression, (at) => { if (at.kind === 'load') reads.add(at.slot); }, seen);
  };
  switch (kernel.kind) {
    case 'loop': loads(expressionsOf(kernel)); for (const store of [...kernel.outerStores, ...kernel.innerStores]) writes.add(store.slot); break;
    case 'dot': loads(expressionsOf(kernel)); reads.add(kernel.a.slot).add(kernel.b.slot); for (const store of kernel.stores) writes.add(store.slot); break;
    case 'scatter': reads.add(kernel.indices.slot).add(kernel.updates.slot); writes.add(kernel.out); break;
    case 'fused': for (const { slot } of kernel.inputs) reads.add(slot); for (const { slot } of kernel.outputs) writes.add(slot); for (const slot of kernel.scratch) writes.add(slot); break;
    case 'multi': for (const loop of kernel.loops) { const touched = slotsOf(loop); for (const slot of touched.reads) reads.add(slot); for (const slot of touched.writes) writes.add(slot); } break;
  }
  return { reads, writes };
}

/** The memory of a slot: two ranges overlap only where `place` is the same. */
export function rangeOf(slot: Slot): { place: unknown; from: number; to: number } {
  const bytes = slot.size * bytesPerElement(slot.dtype);
  switch (slot.place.kind) {
    case 'work': return { place: 'work', from: slot.place.offset, to: slot.place.offset + bytes };
    case 'state': return { place: slot.place.storage, from: 0, to: bytes };
    default: return { place: slot, from: 0, to: bytes };
  }
}

/** Floating-point operations: two a multiply-add, one any other operation. */
export function flopsOf(kernel: Kernel): number {
  const operations = (expressions: readonly Expression[]): number => {
    let count = 0;
    const seen = new Set<Expression>();
    for (const expression of expressions) visitExpression(expression, (at) => { if ((at.kind === 'unary' || at.kind === 'binary' || at.kind === 'select') && at.dtype !== 'i32' && at.dtype !== 'u32') count++; }, seen);
    return count;
  };
  switch (kernel.kind) {
    case 'loop': {
      const outer = sizeOf(kernel.space.slice(0, kernel.outer)), all = sizeOf(kernel.space);
      return outer * operations(kernel.outerStores.map((store) => store.value)) + all * (operations([...kernel.reductions.map((reduction) => reduction.value), ...kernel.innerStores.map((store) => store.value)]) + kernel.reductions.length);
    }
    case 'dot': {
      const points = sizeOf(kernel.batch) * kernel.m * kernel.n;
      return points * (2 * kernel.k + operations(expressionsOf(kernel)));
    }
    case 'scatter': return kernel.count * kernel.columns;
    case 'fused': return fusedOps().get(kernel.op)?.flops?.(kernel) ?? 0;
    case 'multi': return kernel.loops.reduce((sum, loop) => sum + flopsOf(loop), 0);
  }
}

/** Joins neighbouring independent loops that differ only in slots and sizes into one kernel each. */
export function joinAlike(kernels: readonly Kernel[]): Kernel[] {
  const result: Kernel[] = [];
  let run: Kernel[] = [], reads = new Set<unknown>(), writes = new Set<unknown>();
  const memory = (slot: Slot): unknown => (slot.place.kind === 'state' ? slot.place.storage : slot);
  const flush = (): void => {
    const alike = new Map<string, LoopKernel[]>();
    for (const kernel of run) {
      if (kernel.kind !== 'loop') { result.push(kernel); continue; }
      const key = signature(kernel);
      (alike.get(key) ?? alike.set(key, []).get(key)!).push(kernel);
    }
    for (const loops of alike.values()) {
      if (loops.length === 1) result.push(loops[0]!);
      else result.push({ kind: 'multi', name: `${loops[0]!.name} ×${loops.length}`, loops });
    }
    run = []; reads = new Set(); writes = new Set();
  };
  for (const kernel of kernels) {
    const touched = slotsOf(kernel), myReads = [...touched.reads].map(memory), myWrites = [...touched.writes].map(memory);
    if (myReads.some((slot) => writes.has(slot)) || myWrites.some((slot) => writes.has(slot) || reads.has(slot))) flush();
    run.push(kernel);
    for (const slot of myReads) reads.add(slot);
    for (const slot of myWrites) writes.add(slot);
  }
  flush();
  return result;
}

/** Equal for loops that differ only in slots and sizes. */
function signature(kernel: LoopKernel): string {
  const slots = new Map<Slot, number>(), known = new Map<Expression, number>();
  const slot = (at: Slot): string => { if (!slots.has(at)) slots.set(at, slots.size); return `s${slots.get(at)}${at.dtype}`; };
  const lines: string[] = [];
  const index = (at: Index): string => {
    for (const { atom } of at.terms) if (atom.kind === 'value') expression(atom.of);
    return at.terms.some(({ atom }) => atom.kind === 'value') ? `dynamic${known.size}${lines.length}${indexKey(at)}` : indexKey(at);
  };
  const expression = (at: Expression): string => {
    const before = known.get(at);
    if (before !== undefined) return `e${before}`;
    let line: string;
    switch (at.kind) {
      case 'load': line = `load ${slot(at.slot)}[${index(at.index)}]${at.guard ? expression(at.guard) : ''}`; break;
      case 'index': line = `index ${index(at.index)}`; break;
      case 'constant': line = `constant ${Object.is(at.value, -0) ? '-0' : at.value}`; break;
      case 'unary': line = `${at.op} ${expression(at.x)}`; break;
      case 'binary': line = `${at.op} ${expression(at.x)} ${expression(at.y)}`; break;
      case 'select': line = `select ${expression(at.test)} ${expression(at.x)} ${expression(at.y)}`; break;
      case 'cast': case 'bitcast': line = `${at.kind} ${expression(at.x)}`; break;
      case 'reduced': line = `reduced ${at.reduction}`; break;
      case 'accumulator': line = 'accumulator'; break;
    }
    known.set(at, known.size);
    lines.push(`${line}:${at.dtype}`);
    return `e${known.get(at)}`;
  };
  const stores = (list: readonly Store[]): string => list.map((store) => `${expression(store.value)}→${slot(store.slot)}[${index(store.index)}]`).join(';');
  const reductions = kernel.reductions.map((reduction) => `${reduction.op}${reduction.level}${reduction.dtype}${expression(reduction.value)}`).join(';');
  const all = `${kernel.space.length},${kernel.outer}|${reductions}|${stores(kernel.outerStores)}|${stores(kernel.innerStores)}`;
  return `${all}|${lines.join('\n')}`;
}

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

/** How far ahead a loop looks for others like it. */
const lookAhead = 96;

/** Joins independent loops that differ only in slots and sizes into one kernel, moving the later ones up to the first. */
export function joinAlike(kernels: readonly Kernel[]): Kernel[] {
  const memory = (slot: Slot): unknown => (slot.place.kind === 'state' ? slot.place.storage : slot);
  const facts = kernels.map((kernel) => {
    const { reads, writes } = slotsOf(kernel);
    return { reads: [...reads].map(memory), writes: [...writes].map(memory), key: kernel.kind === 'loop' ? signature(kernel) : undefined };
  });
  const joined = new Set<number>(), result: Kernel[] = [];
  kernels.forEach((kernel, i) => {
    if (joined.has(i)) return;
    if (kernel.kind !== 'loop') { result.push(kernel); return; }
    const loops = [kernel], reads = new Set(facts[i]!.reads), writes = new Set(facts[i]!.writes); // of all that a later loop would move past
    for (let j = i + 1; j < Math.min(kernels.length, i + lookAhead); j++) {
      if (joined.has(j)) continue;
      const other = facts[j]!;
      const free = !other.reads.some((slot) => writes.has(slot)) && !other.writes.some((slot) => writes.has(slot) || reads.has(slot));
      if (other.key === facts[i]!.key && free) { loops.push(kernels[j] as LoopKernel); joined.add(j); }
      for (const slot of other.reads) reads.add(slot);
      for (const slot of other.writes) writes.add(slot);
    }
    result.push(loops.length === 1 ? kernel : { kind: 'multi', name: `${kernel.name} ×${loops.length}`, loops });
  });
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

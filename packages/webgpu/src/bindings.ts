/**
 * Which slots a shader touches and how they become bindings.
 *
 * Three rules of WebGPU shape this file. A buffer used writable in a dispatch is writable in all of that dispatch's
 * bindings; writable ranges may not overlap another binding; a stage has a limited number of storage bindings. So slots
 * whose ranges overlap share a binding, and when there are too many, slots of one buffer are merged into the hull of
 * their ranges with their offsets written into the shader.
 */
import { bytesPerElement, type DType, type Slot } from '@ashlar/tensor';
import { OutOfMemoryError } from './errors.js';

/** A buffer that may be made after the shaders that use it. */
export interface BufferHolder { gpu?: GPUBuffer }

/** Where a slot lies: `bytes` from `offset` (a multiple of 256) in `buffer`. */
export interface Region { readonly buffer: BufferHolder; readonly offset: number; readonly bytes: number }

export interface SlotUse {
  readonly slot: Slot;
  read: boolean;
  written: boolean;
  /** Whether the slot must be bound as single elements: some are written one by one, or nobody gains from vectors. */
  scalarWrites: boolean;
}

export type ElementType = 'f32' | 'f16' | 'i32' | 'u32';

export const elementType = (dtype: DType): ElementType => (dtype === 'bool' ? 'u32' : dtype);

export interface Binding {
  readonly name: string;
  readonly element: ElementType;
  /** Whether the shader sees an array of vec4. */
  readonly vector: boolean;
  readonly writable: boolean;
  readonly buffer: BufferHolder;
  readonly offset: number;
  readonly size: number;
}

/** How a shader reaches a slot: a binding, and the slot's first element in it (a number or a WGSL expression). */
export interface SlotAccess { readonly binding: Binding; readonly first: number | string; readonly dtype: DType }

const align = (value: number, step: number): number => Math.ceil(value / step) * step;

/** Collects the slots that a shader uses, in the order of their first use. */
export class SlotUses {
  readonly uses = new Map<number, SlotUse>();
  /** `vectors`: whether the shader gains from seeing the slots as arrays of vec4. */
  constructor(readonly vectors: boolean) {}
  #use(slot: Slot): SlotUse {
    let use = this.uses.get(slot.id);
    if (!use) this.uses.set(slot.id, (use = { slot, read: false, written: false, scalarWrites: !this.vectors }));
    return use;
  }
  read(slot: Slot): void { this.#use(slot).read = true; }
  write(slot: Slot, scalar: boolean): void {
    const use = this.#use(slot);
    use.written = true;
    use.scalarWrites ||= scalar;
  }
}

interface Group { buffer: BufferHolder; start: number; end: number; uses: SlotUse[] }

/** Tells how a shader reaches a slot. */
export interface SlotResolver { of(slot: Slot): SlotAccess }

/** Assigns bindings to slots. */
export class Bindings implements SlotResolver {
  readonly list: readonly Binding[];
  readonly #access = new Map<number, SlotAccess>();

  constructor(uses: Iterable<SlotUse>, locate: (slot: Slot) => Region, limit: number, largestBinding = Infinity) {
    let groups: Group[] = [];
    for (const use of uses) {
      const region = locate(use.slot);
      const start = region.offset, end = start + align(Math.max(region.bytes, 16), 16);
      groups.push({ buffer: region.buffer, start, end, uses: [use] });
    }
    groups = mergeOverlaps(groups);
    while (groups.length > limit) groups = mergeOverlaps(mergeNearest(groups, limit, largestBinding));
    for (const { start, end } of groups) if (end - start > largestBinding) throw new OutOfMemoryError(end - start, largestBinding, 'an array in a kernel');
    const writable = new Set(groups.filter((group) => group.uses.some((use) => use.written)).map((group) => group.buffer));
    this.list = groups.map((group, index) => {
      const elements = new Set(group.uses.map((use) => elementType(use.slot.dtype)));
      if (elements.size > 1 && elements.has('f16')) throw new Error(`internal: a binding would mix f16 with ${[...elements].filter((e) => e !== 'f16').join(', ')}`);
      const element = elements.size === 1 ? [...elements][0]! : 'u32';
      const binding: Binding = {
        name: `memory${index}`, element, vector: group.uses.every((use) => !use.scalarWrites),
        writable: writable.has(group.buffer), buffer: group.buffer, offset: group.start, size: group.end - group.start,
      };
      for (const { slot } of group.uses) {
        const first = (locate(slot).offset - group.start) / bytesPerElement(slot.dtype);
        this.#access.set(slot.id, { binding, first, dtype: slot.dtype });
      }
      return binding;
    });
  }

  of(slot: Slot): SlotAccess {
    const access = this.#access.get(slot.id);
    if (!access) throw new Error(`internal: slot ${slot.id} was not announced to the shader`);
    return access;
  }
}

/** The WGSL declarations of bindings, in group 0. */
export function declareBindings(list: readonly Binding[]): string {
  return list.map((binding, index) =>
    `@group(0) @binding(${index}) var<storage, ${binding.writable ? 'read_write' : 'read'}> ${binding.name}: array<${binding.vector ? `vec4<${binding.element}>` : binding.element}>;\n`).join('');
}

/** Merges groups of one buffer whose ranges overlap; the first keeps its place. */
function mergeOverlaps(groups: readonly Group[]): Group[] {
  const out: Group[] = [];
  for (const group of groups) {
    let merged: Group = { ...group, uses: [...group.uses] };
    let place = out.length;
    for (let i = out.length - 1; i >= 0; i--) {
      const other = out[i]!;
      if (other.buffer === merged.buffer && other.start < merged.end && merged.start < other.end) {
        merged = { buffer: merged.buffer, start: Math.min(other.start, merged.start), end: Math.max(other.end, merged.end), uses: [...other.uses, ...merged.uses] };
        out.splice(i, 1);
        place = Math.min(place, i);
        i = out.length; // the grown range may meet others now
      }
    }
    out.splice(place, 0, merged);
  }
  return out;
}

const isHalf = (group: Group): boolean => group.uses[0]!.slot.dtype === 'f16';

/** Merges the two groups of one buffer whose common hull is smallest. */
function mergeNearest(groups: readonly Group[], limit: number, largestBinding: number): Group[] {
  let best: [number, number] | undefined, bestSpan = Infinity;
  for (let i = 0; i < groups.length; i++) {
    for (let j = i + 1; j < groups.length; j++) {
      const a = groups[i]!, b = groups[j]!;
      if (a.buffer !== b.buffer || isHalf(a) !== isHalf(b)) continue;
      const span = Math.max(a.end, b.end) - Math.min(a.start, b.start);
      if (span < bestSpan && span <= largestBinding) { bestSpan = span; best = [i, j]; }
    }
  }
  if (!best) throw new Error(`a kernel needs ${groups.length} storage bindings in separate buffers; this adapter allows ${limit}. Split the step into smaller functions`);
  const [i, j] = best, a = groups[i]!, b = groups[j]!;
  const hull: Group = { buffer: a.buffer, start: Math.min(a.start, b.start), end: Math.max(a.end, b.end), uses: [...a.uses, ...b.uses] };
  return groups.flatMap((group, index) => (index === i ? [hull] : index === j ? [] : [group]));
}

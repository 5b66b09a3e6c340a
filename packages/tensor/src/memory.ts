/** Static memory: offsets for buffers whose lifetimes are known. */

export interface Lifetime { readonly bytes: number; readonly first: number; readonly last: number }

const alignment = 256;
/** Buffers start at multiples of this; an empty one takes as much, so that every slot has an address. */
export const aligned = (bytes: number): number => Math.ceil(Math.max(bytes, 1) / alignment) * alignment;

/**
 * Offsets such that buffers alive at the same time never overlap. The largest first, each into the smallest gap that
 * holds it. `reuse` off: one after the other.
 */
export function planMemory(buffers: readonly Lifetime[], reuse: boolean): { offsets: number[]; bytes: number } {
  const offsets = new Array<number>(buffers.length).fill(0);
  let end = 0;
  if (!reuse) {
    buffers.forEach((buffer, i) => { offsets[i] = end; end += aligned(buffer.bytes); });
    return { offsets, bytes: end };
  }
  const placed: number[] = []; // by offset
  const bySize = buffers.map((_, i) => i).sort((a, b) => buffers[b]!.bytes - buffers[a]!.bytes || a - b);
  for (const i of bySize) {
    const { bytes, first, last } = buffers[i]!, need = aligned(bytes);
    let free = 0, best = -1, bestGap = Infinity;
    for (const j of placed) {
      const other = buffers[j]!;
      if (other.last < first || other.first > last) continue;
      const gap = offsets[j]! - free;
      if (gap >= need && gap < bestGap) { best = free; bestGap = gap; }
      free = Math.max(free, offsets[j]! + aligned(other.bytes));
    }
    const offset = best >= 0 ? best : free;
    offsets[i] = offset;
    end = Math.max(end, offset + need);
    let at = placed.findIndex((j) => offsets[j]! > offset);
    if (at < 0) at = placed.length;
    placed.splice(at, 0, i);
  }
  return { offsets, bytes: end };
}

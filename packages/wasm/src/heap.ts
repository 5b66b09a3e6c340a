/** Memory handed out first-fit in 64-byte units; neighbouring free blocks join at once. */

const unit = 64;
interface Block { start: number; end: number }

export class Heap {
  /** Free blocks by address; no two touch. */
  private readonly free: Block[] = [];
  private readonly used = new Map<number, number>();
  private limit: number;

  /** Manages addresses from `start`; `grow(end)` makes memory valid up to at least `end` and says how far it now goes. */
  constructor(start: number, private readonly grow: (end: number) => number) {
    this.limit = Math.ceil(start / unit) * unit;
  }

  /** Bytes that an allocation of `bytes` occupies. */
  static rounded(bytes: number): number { return Math.max(unit, Math.ceil(bytes / unit) * unit); }

  /** Address of a fresh block; a multiple of 64. Throws what `grow` throws. */
  allocate(bytes: number): number {
    const size = Heap.rounded(bytes);
    let at = this.free.findIndex((block) => block.end - block.start >= size);
    if (at < 0) {
      const last = this.free[this.free.length - 1];
      const from = last && last.end === this.limit ? last.start : this.limit;
      const limit = Math.floor(this.grow(from + size) / unit) * unit;
      this.insert(this.limit, limit);
      this.limit = limit;
      at = this.free.length - 1;
    }
    const block = this.free[at]!;
    const address = block.start;
    block.start += size;
    if (block.start === block.end) this.free.splice(at, 1);
    this.used.set(address, size);
    return address;
  }

  /** Gives a block back and says how many bytes it occupied. Throws for an address that is not allocated. */
  release(address: number): number {
    const size = this.used.get(address);
    if (size === undefined) throw new RangeError(`heap: no block at address ${address}`);
    this.used.delete(address);
    this.insert(address, address + size);
    return size;
  }

  /** Free blocks in order of address. */
  blocks(): readonly { readonly start: number; readonly end: number }[] { return this.free; }

  private insert(start: number, end: number): void {
    if (start === end) return;
    let low = 0, high = this.free.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.free[middle]!.start < start) low = middle + 1; else high = middle;
    }
    const before = this.free[low - 1], after = this.free[low];
    const joinsBefore = before?.end === start, joinsAfter = after?.start === end;
    if (joinsBefore && joinsAfter) { before.end = after.end; this.free.splice(low, 1); }
    else if (joinsBefore) before.end = end;
    else if (joinsAfter) after.start = start;
    else this.free.splice(low, 0, { start, end });
  }
}

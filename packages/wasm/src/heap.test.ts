import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Heap } from './heap.js';

describe('heap', () => {
  test('blocks are aligned, disjoint, and join again', () => {
    fc.assert(fc.property(fc.array(fc.record({ bytes: fc.integer({ min: 0, max: 5000 }), release: fc.boolean(), which: fc.nat() }), { maxLength: 60 }), (actions) => {
      let end = 1000;
      const heap = new Heap(1000, (need) => { end = Math.max(end, need + 777); return end; });
      const live: { address: number; size: number }[] = [];
      for (const { bytes, release, which } of actions) {
        if (release && live.length) {
          const [gone] = live.splice(which % live.length, 1);
          expect(heap.release(gone!.address)).toBe(gone!.size);
        } else {
          const block = { address: heap.allocate(bytes), size: Math.max(64, Math.ceil(bytes / 64) * 64) };
          expect(block.address % 64).toBe(0);
          expect(block.address).toBeGreaterThanOrEqual(1000);
          expect(block.address + block.size).toBeLessThanOrEqual(end);
          for (const other of live) expect(block.address + block.size <= other.address || other.address + other.size <= block.address).toBe(true);
          live.push(block);
        }
      }
      for (const { address } of live) heap.release(address);
      expect(heap.blocks().length).toBeLessThanOrEqual(1); // everything has joined
    }));
  });
  test('freed room is used again before memory grows', () => {
    let grown = 0;
    const heap = new Heap(0, (need) => { grown++; return need; });
    const first = heap.allocate(640);
    heap.allocate(64);
    heap.release(first);
    expect(heap.allocate(320)).toBe(first);
    expect(heap.allocate(320)).toBe(first + 320);
    expect(grown).toBe(2);
  });
  test('an address that is not allocated is refused', () => {
    const heap = new Heap(0, (need) => need);
    const address = heap.allocate(10);
    heap.release(address);
    expect(() => heap.release(address)).toThrow('heap: no block at address');
  });
});

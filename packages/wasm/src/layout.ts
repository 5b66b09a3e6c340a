/** Where things are in the device's memory, in bytes: control words first, then one working area a thread, then the heap. */
export const control = {
  /** Counts commands; idle workers wait on it. */
  epoch: 64,
  command: 68,
  argument: 72,
  /** Workers waiting for the next epoch in their sleep. */
  idle: 128,
  /** Workers that have finished handling a message. */
  acknowledged: 192,
  /** Arrivals at the barrier, and how often it has opened. */
  arrived: 256,
  opened: 320,
  /** Threads that wait at the barrier in their sleep. */
  asleep: 384,
  /** Not 0 after a thread has stopped in the middle of a run. */
  failed: 448,
} as const;
export const controlBytes = 4096;

/** A thread's working area: packed panels of both operands of a product, and a block of its result. */
export const panelBytes = { a: 512 * 1024, b: 2048 * 1024, c: 512 * 1024 } as const;
export const scratchBytes = panelBytes.a + panelBytes.b + panelBytes.c;
export const scratchOffset = { a: 0, b: panelBytes.a, c: panelBytes.a + panelBytes.b } as const;

/** Vector loads may read this far past the end of a slot. */
export const overread = 256;
export const pageBytes = 65536;

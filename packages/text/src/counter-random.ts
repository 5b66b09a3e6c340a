/**
 * Philox 4×32 with 10 rounds: four random words that are a pure function of a 128-bit counter and a 64-bit key, so that
 * any place of a random sequence can be reached without the places before it.
 * Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (2011).
 */
export function philox(counter: readonly [number, number, number, number], key: readonly [number, number]): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const low0 = Math.imul(c0, 0xd2511f53) >>> 0;
    const high0 = highProduct(c0, 0xd2511f53);
    const low1 = Math.imul(c2, 0xcd9e8d57) >>> 0;
    const high1 = highProduct(c2, 0xcd9e8d57);
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** The upper 32 bits of the 64-bit product of two unsigned 32-bit integers. */
function highProduct(x: number, y: number): number {
  const xLow = x & 0xffff, xHigh = x >>> 16;
  const yLow = y & 0xffff, yHigh = y >>> 16;
  const middle = xHigh * yLow + Math.floor((xLow * yLow) / 65536);
  const cross = xLow * yHigh + (middle % 65536);
  return (xHigh * yHigh + Math.floor(middle / 65536) + Math.floor(cross / 65536)) >>> 0;
}

/** A whole number from 0 to `limit` − 1, from (seed, step, row) and the number of a stream alone; `limit` at most 2⁵³. */
export function randomBelow(limit: number, seed: number, step: number, row: number, stream = 0): number {
  const words = philox([step >>> 0, Math.floor(step / 2 ** 32), row, stream], [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0]);
  const fraction = (words[0] * 2 ** 21 + (words[1] >>> 11)) / 2 ** 53;
  return Math.floor(fraction * limit);
}

/** Whole numbers below a limit, one after the other, from (seed, step, row) and the number of a stream alone. */
export function rowDraws(seed: number, step: number, row: number, stream: number): (limit: number) => number {
  let drawn = 0;
  return (limit) => randomBelow(limit, seed, step, row, stream + 2 ** 8 * ++drawn);
}

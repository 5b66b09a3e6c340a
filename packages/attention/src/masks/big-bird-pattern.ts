import { foldKey, hostRandom, randomKey, tensor, type Tensor } from '@ashlar/tensor';
import { requireCount } from '@ashlar/nn';
import type { Mask } from './mask.js';

export interface BigBirdPatternOptions {
  /** Tokens of a block; default 64. */
  readonly block?: number | undefined;
  /** Blocks about a query's own that it sees, its own included: odd; default 3. */
  readonly windowBlocks?: number | undefined;
  /** Further blocks that it sees, drawn for each head and block; default 3. */
  readonly randomBlocks?: number | undefined;
  /** Of the draw: the same seed, layer, head and number of blocks give the same pattern. */
  readonly seed: number;
  /** Default 0. */
  readonly layer?: number | undefined;
}

/**
 * A query sees the blocks about its own, the first and the last block, and some drawn at random from the others; queries
 * of the first and last block see all. Random blocks are drawn without repetition from what the query does not see
 * already: where there are not so many, it sees all. Zaheer et al. 2020, arXiv 2007.14062 (ITC).
 * @throws {RangeError} where a number cannot be.
 */
export function bigBirdPattern({ block = 64, windowBlocks = 3, randomBlocks = 3, seed, layer = 0 }: BigBirdPatternOptions): Mask {
  requireCount('bigBird', 'block', block);
  requireCount('bigBird', 'windowBlocks', windowBlocks);
  requireCount('bigBird', 'randomBlocks', randomBlocks, 0);
  if (windowBlocks % 2 === 0) throw new RangeError(`bigBird: windowBlocks must be odd (as many on either side, and the query's own), got ${windowBlocks}`);
  requireCount('bigBird', 'seed', seed, 0);
  const tables = new Map<string, Tensor>(), side = (windowBlocks - 1) / 2;
  /** Which blocks see which, [H × N × N]. */
  const table = (H: number, N: number): Tensor => {
    const key = `${H} ${N}`, known = tables.get(key);
    if (known) return known;
    const seen = new Int32Array(H * N * N);
    for (let h = 0; h < H; h++) {
      const random = hostRandom(foldKey(foldKey(randomKey(seed), layer), h));
      for (let i = 0; i < N; i++) {
        const row = seen.subarray((h * N + i) * N, (h * N + i + 1) * N);
        for (let j = 0; j < N; j++) row[j] = i === 0 || i === N - 1 || j === 0 || j === N - 1 || Math.abs(i - j) <= side ? 1 : 0;
        const others = Array.from(row.keys()).filter((j) => row[j] === 0);
        for (let r = 0; r < randomBlocks && others.length > 0; r++) row[others.splice(Math.floor(random() * others.length), 1)[0]!] = 1;
      }
    }
    const made = tensor(seen);
    tables.set(key, made);
    return made;
  };
  return ({ h, q, k }) => {
    const N = Math.ceil(k.size / block);
    return table(h.size, N).at(h.mul(N * N).add(q.div(block).mul(N)).add(k.div(block))).ne(0);
  };
}

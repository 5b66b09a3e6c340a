import { arange, concat, scatterAdd, where, zeros, type Tensor } from '@ashlar/tensor';

/** Which experts each token goes to. N tokens, E experts, k experts a token. */
export interface Routing {
  /** Experts in order of preference, i32 [N, k]. */
  readonly experts: Tensor;
  /** Factors of their results, [N, k]. */
  readonly gates: Tensor;
}

/** Where the chosen tokens stand: blocks of rows, each for one expert. */
export interface Dispatch {
  /** The token of each row, i32 [blocks · rows]; rows that nobody has hold any. */
  readonly tokens: Tensor;
  /** The expert of each block, i32 [blocks]; absent: block e is expert e's. */
  readonly experts: Tensor | undefined;
  readonly blocks: number;
  readonly rows: number;
  /** The row of each choice, i32 [N, k]. */
  readonly slots: Tensor;
  /** Whether each choice has a row, bool [N, k]; absent: all have. */
  readonly kept: Tensor | undefined;
}

/**
 * The k most probable experts of each token, by probabilities [N, E]; the first of equals. One expert's gate is its
 * probability (Switch); the gates of several are shares of their sum (Mixtral).
 */
export function route(probabilities: Tensor, active: number): Routing {
  const E = probabilities.shape[1]!, experts: Tensor[] = [], gates: Tensor[] = [];
  let left = probabilities.stopGradient();
  for (let choice = 0; choice < active; choice++) {
    const best = left.argmax(-1), column = best.reshape([-1, 1]);
    experts.push(column);
    gates.push(probabilities.pick(best).reshape([-1, 1]));
    left = where(arange(E).reshape([1, E]).eq(column), -1, left);
  }
  const chosen = concat(gates, 1);
  return { experts: concat(experts, 1), gates: active === 1 ? chosen : chosen.div(chosen.sum(1, { keepDims: true })) };
}

/** Rows of a block where nothing is dropped. */
const blockRows = 32;

/**
 * Gives every choice a row. With `capacity` each expert has that many, and choices that come later, in the order of
 * tokens, have none; without, an expert has as many blocks of rows as it needs. A token's row depends on itself and
 * earlier tokens alone.
 */
export function dispatch({ experts }: Routing, E: number, capacity: number | undefined): Dispatch {
  const [N, k] = experts.shape as [number, number], choices = N * k, flat = experts.reshape([choices]);
  const chosen = flat.reshape([choices, 1]).eq(arange(E).reshape([1, E])).cast('f32');
  const before = exclusiveSums(chosen).mul(chosen).sum(1).cast('i32');
  const choiceTokens = arange(choices).div(k);
  // Row numbers and tokens are whole numbers below 2²⁴, exact in f32.
  const tokensOf = (slots: Tensor, rows: number): Tensor => scatterAdd(slots, choiceTokens.cast('f32').reshape([choices, 1]), rows).reshape([rows]).cast('i32');
  if (capacity !== undefined) {
    const kept = before.lt(capacity), slots = flat.mul(capacity).add(before);
    return { tokens: tokensOf(where(kept, slots, -1), E * capacity), experts: undefined, blocks: E, rows: capacity, slots: where(kept, slots, 0).reshape([N, k]), kept: kept.reshape([N, k]) };
  }
  const blocks = Math.ceil(choices / blockRows) + E;
  const needed = chosen.sum(0).div(blockRows).ceil(), first = exclusiveSums(needed.reshape([E, 1])).reshape([E]);
  const slots = first.gather(flat).cast('i32').mul(blockRows).add(before);
  const ends = first.add(needed).cast('i32').reshape([1, E]), blockExperts = arange(blocks).reshape([blocks, 1]).ge(ends).cast('i32').sum(1).minimum(E - 1);
  return { tokens: tokensOf(slots, blocks * blockRows), experts: blockExperts, blocks, rows: blockRows, slots: slots.reshape([N, k]), kept: undefined };
}

/** Rows that are summed at once. */
const sumRows = 64;

/** out[i] = Σ_{j < i} x[j]: [n, c]. In groups, so that memory grows linearly. */
function exclusiveSums(x: Tensor): Tensor {
  const [n, c] = x.shape as [number, number];
  const earlier = (count: number): Tensor => arange(count).reshape([1, count]).lt(arange(count).reshape([count, 1])).cast('f32');
  if (n <= sumRows) return earlier(n).matmul(x);
  const groups = Math.ceil(n / sumRows), missing = groups * sumRows - n;
  const grouped = (missing === 0 ? x : concat([x, zeros([missing, c])], 0)).reshape([groups, sumRows, c]);
  const within = earlier(sumRows).reshape([1, sumRows, sumRows]).broadcastTo([groups, sumRows, sumRows]).matmul(grouped);
  const sums = within.add(exclusiveSums(grouped.sum(1)).reshape([groups, 1, c])).reshape([groups * sumRows, c]);
  return missing === 0 ? sums : sums.slice([0, n]);
}

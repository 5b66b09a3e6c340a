/** States from chunk to chunk, Sₙ₊₁ = Aₙ Sₙ + Bₙ, without a step for each chunk. */
import { concat, stack, where, type Tensor } from '@ashlar/tensor';
import { lastOf, notBefore, runningSums } from './chunks.js';

/** Of the axis before the last two: [from, to, step]. */
const along = (x: Tensor, from: number, to: number, step = 1): Tensor => x.slice(...x.shape.slice(0, -3).map(() => undefined), [from, to, step]);
/** […, D, E] → […, 1, D, E] */
const single = (x: Tensor): Tensor => x.reshape([...x.shape.slice(0, -2), 1, ...x.shape.slice(-2)]);

/** Chunks whose states are one product; longer sequences go by groups of so many. */
const groupLength = 16;

/** What chunks do to a state [D, E]: its rows fade by factors, then something is added. */
export interface FadingSteps {
  /** 1 where a chunk keeps nothing of the state, else 0: […, N], whose leading axes may be 1. Absent: 0. */
  readonly resets?: Tensor | undefined;
  /** log of the factors: […, N, D], or […, N, 1] for one factor. Absent: nothing fades. */
  readonly log: Tensor | undefined;
  /** B: […, N, D, E] */
  readonly added: Tensor;
}

/**
 * The state before each of N chunks: initial [..., D, E] (absent: zeros) gives [..., N, D, E]. State n is
 * Σₘ exp(Σ of the log factors after m, up to n) Bₘ: a triangular product in each group of 16, then the same over groups.
 */
export function fadingStates({ log, added, resets }: FadingSteps, initial: Tensor | undefined): Tensor {
  const N = added.shape.at(-3)!, keep = added.shape.slice(0, -3).map(() => undefined);
  const before = initial ? concat([single(initial), along(added, 0, N - 1)], -3) : along(added, 0, N - 1).pad(...keep, [1, 0]);
  /** Of the chunk before. */
  const later = (x: Tensor, axis: number): Tensor => x.slice(...x.shape.map((_, i) => (i === axis ? [0, N - 1] as const : undefined))).pad(...x.shape.map((_, i) => (i === axis ? [1, 0] as const : undefined)));
  return sums({ log: log && later(log, log.rank - 2), added: before, resets: resets && later(resets, resets.rank - 1) });
}

/** Sₙ = exp(logₙ) Sₙ₋₁ + Bₙ for n = 0 … N − 1, with S₋₁ = 0. */
function sums({ log, added, resets }: FadingSteps): Tensor {
  const leading = added.shape.slice(0, -3), [N, D, E] = added.shape.slice(-3) as [number, number, number], F = log?.shape.at(-1) ?? 1;
  const keep = leading.map(() => undefined), L = Math.min(groupLength, N), groups = Math.ceil(N / L), missing = groups * L - N;
  const parts = (missing > 0 ? added.pad(...keep, [0, missing]) : added).reshape([...leading, groups, L, D, E]);
  // [..., groups, F, L]: one row of factors for each of F parts of the state.
  const padded = log && missing > 0 ? log.pad(...log.shape.slice(0, -2).map(() => undefined), [0, missing]) : log;
  const running = padded && runningSums(padded.reshape([...padded.shape.slice(0, -2), groups, L, F]).transpose());
  const counts = resets && runningSums(resets.pad(...resets.shape.slice(0, -1).map(() => undefined), [0, missing]).reshape([...resets.shape.slice(0, -1), groups, 1, L]));
  const visible = counts ? notBefore(L).and(counts.reshape([...counts.shape, 1]).eq(counts.reshape([...counts.shape.slice(0, -1), 1, L]))) : notBefore(L), weights = running
    ? where(visible, running.reshape([...running.shape, 1]).sub(running.reshape([...running.shape.slice(0, -1), 1, L])), -Infinity).exp()
    : counts ? visible.cast('f32') : visible.cast('f32').reshape([...leading.map(() => 1), 1, 1, L, L]);
  const axes = parts.rank, order = [...parts.shape.keys()], swapped = [...order.slice(0, -3), axes - 2, axes - 3, axes - 1];
  // A state's parts that fade alike are columns of one product: [..., groups, F, L, D E / F].
  const columns = F === 1 ? parts.reshape([...leading, groups, 1, L, D * E]) : parts.permute(...swapped);
  const asStates = (x: Tensor): Tensor => (F === 1 ? x.reshape([...leading, groups, L, D, E]) : x.permute(...swapped));
  const inside = asStates(weights.matmul(columns));
  if (groups === 1) return inside.reshape(added.shape);

  const flat = (x: Tensor, length: number): Tensor => x.reshape([...x.shape.slice(0, -4), x.shape.at(-4)! * length, ...x.shape.slice(-2)]);
  const ends = inside.slice(...keep, undefined, [L - 1, L]).reshape([...leading, groups, D, E]);
  const carried = sums({ log: running && running.slice(...running.shape.slice(0, -1).map(() => undefined), [L - 1, L]).reshape([...running.shape.slice(0, -2), F]), added: ends, resets: counts && lastOf(counts, -1).gt(0).cast('f32').reshape(counts.shape.slice(0, -2)) });
  const earlier = along(carried, 0, groups - 1).pad(...keep, [1, 0]).reshape([...leading, groups, 1, D, E]);
  const kept = counts?.eq(0).cast('f32').transpose(), faded = running?.transpose().exp(), factors = kept && faded ? faded.mul(kept) : kept ?? faded;
  const whole = inside.add(factors ? earlier.mul(factors.reshape([...factors.shape, 1])) : earlier);
  return along(flat(whole, L), 0, N);
}

/** What chunks do to a state [D, E]: a matrix is applied, then something is added. */
export interface MatrixSteps {
  /** A: […, N, D, D] */
  readonly through: Tensor;
  /** B: […, N, D, E] */
  readonly added: Tensor;
}

/**
 * The state before each of N chunks: initial [..., D, E] gives [..., N, D, E]. The steps of two neighbours make one step,
 * (A₂ A₁, A₂ B₁ + B₂), so that half as many remain: about N compositions in log₂ N rounds, and as many back. Blelloch 1990,
 * "Prefix sums and their applications".
 */
export function matrixStates({ through, added }: MatrixSteps, initial: Tensor): Tensor {
  const count = added.shape.at(-3)! - 1;
  return states({ through: along(through, 0, count), added: along(added, 0, count) }, initial);
}

/** S₀ … S_N: initial […, D, E] gives […, N + 1, D, E]. */
function states({ through, added }: MatrixSteps, initial: Tensor): Tensor {
  const N = added.shape.at(-3)!;
  if (N === 0) return single(initial);
  const pairs = N >> 1, even = pairs === 0 ? single(initial) : states(joined({ through, added }, pairs), initial);
  const odd = along(through, 0, N, 2).matmul(along(even, 0, N + 1 >> 1)).add(along(added, 0, N, 2));
  // States 0, 2, … and 1, 3, … in turn; of an even N, the last has no partner.
  const padded = N % 2 === 0 ? odd.pad(...odd.shape.slice(0, -3).map(() => undefined), [0, 1]) : odd;
  const both = stack([even, padded], -3);
  return along(both.reshape([...initial.shape.slice(0, -2), 2 * even.shape.at(-3)!, ...initial.shape.slice(-2)]), 0, N + 1);
}

/** Each two neighbours as one step. */
function joined({ through, added }: MatrixSteps, pairs: number): MatrixSteps {
  const half = (x: Tensor, of: 0 | 1): Tensor => along(x, of, 2 * pairs, 2), second = half(through, 1);
  return { through: second.matmul(half(through, 0)), added: second.matmul(half(added, 0)).add(half(added, 1)) };
}

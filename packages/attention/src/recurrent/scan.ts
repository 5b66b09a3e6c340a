/**
 * States from chunk to chunk: S₀ is given, Sₙ₊₁ = Aₙ Sₙ + Bₙ. The steps of two neighbours make one step, (A₂ A₁, A₂ B₁ + B₂),
 * so that half as many remain: about 2 N compositions in 2 log₂ N rounds. Blelloch 1990, "Prefix sums and their applications".
 */
import { stack, type Tensor } from '@ashlar/tensor';

/** What chunks do to a state [D, E]. */
export interface ChunkSteps {
  /** A: […, N, D, D] for a matrix, […, N, D, 1] or […, N, 1, 1] for factors. Absent: the state stays. */
  readonly through: Tensor | undefined;
  /** Whether A is multiplied as a matrix. */
  readonly matrix: boolean;
  /** B: […, N, D, E] */
  readonly added: Tensor;
}

/** A · x, as matrix or factor. */
const applied = (through: Tensor | undefined, matrix: boolean, x: Tensor): Tensor => (through ? (matrix ? through.matmul(x) : through.mul(x)) : x);

/** Of the axis before the last two: [from, to, step]. */
const along = (x: Tensor, from: number, to: number, step = 1): Tensor => x.slice(...x.shape.slice(0, -3).map(() => undefined), [from, to, step]);

/** S₀ … S_N: initial […, D, E] gives […, N + 1, D, E]. */
function states({ through, matrix, added }: ChunkSteps, initial: Tensor): Tensor {
  const N = added.shape.at(-3)!, first = initial.reshape([...initial.shape.slice(0, -2), 1, ...initial.shape.slice(-2)]);
  if (N === 0) return first;
  const pairs = N >> 1, even = pairs === 0 ? first : states(joined({ through, matrix, added }, pairs), initial), left = N + 1 >> 1;
  const from = along(even, 0, left), odd = applied(through && along(through, 0, N, 2), matrix, from).add(along(added, 0, N, 2));
  // States 0, 2, … and 1, 3, … in turn; of an even N, the last has no partner.
  const padded = N % 2 === 0 ? odd.pad(...odd.shape.slice(0, -3).map(() => undefined), [0, 1]) : odd;
  const both = stack([even, padded], -3), leading = initial.shape.slice(0, -2);
  return along(both.reshape([...leading, 2 * even.shape.at(-3)!, ...initial.shape.slice(-2)]), 0, N + 1);
}

/** Each two neighbours as one step. */
function joined({ through, matrix, added }: ChunkSteps, pairs: number): ChunkSteps {
  const half = (x: Tensor, of: 0 | 1): Tensor => along(x, of, 2 * pairs, 2), second = through && half(through, 1);
  return { matrix, through: through && applied(second, matrix, half(through, 0)), added: applied(second, matrix, half(added, 0)).add(half(added, 1)) };
}

/** The state before each of N chunks: initial [..., D, E] gives [..., N, D, E]. */
export function statesBefore({ through, matrix, added }: ChunkSteps, initial: Tensor): Tensor {
  const count = added.shape.at(-3)! - 1;
  return states({ matrix, through: through && along(through, 0, count), added: along(added, 0, count) }, initial);
}

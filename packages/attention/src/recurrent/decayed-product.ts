/**
 * The sum that a state keeps of keys and values, which a factor a head makes fade: Sₜ = aₜ Sₜ₋₁ + kₜ vₜᵀ, oₜ = Sₜᵀ qₜ.
 * Linear attention (a = 1), retention (a fixed) and state spaces (a of the token) are this.
 */
import { where, type Tensor } from '@ashlar/tensor';
import { chunksOf, cut, join, lastOf, longestChunk, notBefore, runningSums } from './chunks.js';
import { documentsOf } from './documents.js';
import { fadingStates } from './scan.js';

/** What a mixer gives, [B, H, T, E], and remembers, [B, H, D, E]; f32. */
export interface Mixed { readonly output: Tensor; readonly state: Tensor }

export interface DecayedProductInput {
  /** Queries and keys [B, G, T, D], G a divisor of H. */
  readonly q: Tensor;
  readonly k: Tensor;
  /** [B, H, T, E] */
  readonly v: Tensor;
  /** log a ≤ 0: [B, H, T] or [1, H, T]. Absent: nothing fades. */
  readonly logDecay?: Tensor | undefined;
  /** What is remembered of the tokens before, [B, H, D, E]. Absent: nothing. */
  readonly state?: Tensor | undefined;
  /** The number of each token's document, i32 [B, T]; without a state. Absent: one. */
  readonly segments?: Tensor | undefined;
}

/**
 * Chunk by chunk: inside a chunk from scores, oᵢ = Σⱼ exp(bᵢ − bⱼ) (qᵢ·kⱼ) vⱼ with b the running sum of log a; from the
 * chunks before by their state, exp(bᵢ) Sᵀ qᵢ. No exponent is above 0. Time linear in T. A chunk of one token is the
 * recurrence itself. Dao and Gu 2024, arXiv 2405.21060.
 */
export function decayedProduct({ q, k, v, logDecay, state, segments }: DecayedProductInput): Mixed {
  const [B, G, T, D] = q.shape as [number, number, number, number], [, H, , E] = v.shape as [number, number, number, number];
  const chunks = chunksOf(T), { count: N, length: C } = chunks, shared = [B, G, 1, N, C, D], own = [B, G, H / G, N, C, E];
  const queries = cut(q.cast('f32'), chunks).reshape(shared), keys = cut(k.cast('f32'), chunks).reshape(shared), values = cut(v.cast('f32'), chunks).reshape(own);
  const log = logDecay && runningSums(cut(logDecay, chunks)).reshape([logDecay.shape[0]!, G, H / G, N, C]);
  const column = log?.reshape([...log.shape, 1]), row = log?.reshape([...log.shape.slice(0, -1), 1, C]), whole = column && lastOf(column, -2);

  const documents = segments && documentsOf(segments, chunks, 2);
  const scores = queries.matmul(keys.transpose()), visible = documents ? notBefore(C).and(documents.same) : notBefore(C);
  const weights = column && row ? scores.mul(where(visible, column.sub(row), -Infinity).exp()) : where(visible, scores, 0);
  const inside = weights.matmul(values);
  const left = whole && column ? values.mul(whole.sub(column).exp()) : values, added = keys.transpose().matmul(documents ? left.mul(documents.open) : left);
  const before = fadingStates({ log: whole?.reshape([...whole.shape.slice(0, -2), 1]), added, resets: documents?.resets }, state?.reshape([B, G, H / G, D, E]));
  const reached = queries.matmul(before), carried = documents ? reached.mul(documents.continued) : reached;
  const outputs = N === 1 && !state ? inside : inside.add(column ? carried.mul(column.exp()) : carried);
  const last = (x: Tensor): Tensor => lastOf(x, 3), kept = whole ? last(before).mul(last(whole).exp()) : last(before);
  return { output: join(outputs.reshape([B, H, N, C, E]), T), state: kept.add(last(added)).reshape([B, H, D, E]) };
}

/** Operations of a token's matrix products, forward, in a sequence whose tokens see `keys` on average. */
export const decayedFlops = (keyWidth: number, valueWidth: number, keys: number): number =>
  2 * Math.min(longestChunk, 2 * keys) * (keyWidth + valueWidth) + 4 * keyWidth * valueWidth;

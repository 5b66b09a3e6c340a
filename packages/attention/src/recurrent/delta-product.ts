/**
 * A state that replaces what it has under a key: Sₜ = aₜ Sₜ₋₁ + kₜ uₜᵀ with uₜ = βₜ (vₜ − aₜ Sₜ₋₁ᵀ kₜ), oₜ = Sₜᵀ qₜ. In
 * other words Sₜ = aₜ (I − βₜ kₜ kₜᵀ) Sₜ₋₁ + βₜ kₜ vₜᵀ.
 */
import { where, zeros, type Tensor } from '@ashlar/tensor';
import { after, chunksOf, cut, identity, join, lastOf, longestChunk, notBefore, runningSums } from './chunks.js';
import type { Mixed } from './decayed-product.js';
import { documentsOf } from './documents.js';
import { matrixStates } from './scan.js';
import { unitTriangularInverse } from './triangular-inverse.js';

export interface DeltaProductInput {
  /** Queries and keys [B, H, T, D], keys of norm 1. */
  readonly q: Tensor;
  readonly k: Tensor;
  /** [B, H, T, E] */
  readonly v: Tensor;
  /** β, how much is replaced: [B, H, T]. */
  readonly rate: Tensor;
  /** log a ≤ 0: [B, H, T]. Absent: nothing fades. */
  readonly logDecay?: Tensor | undefined;
  /** [B, H, D, E]. Absent: nothing. */
  readonly state?: Tensor | undefined;
  /** The number of each token's document, i32 [B, T]; without a state. Absent: one. */
  readonly segments?: Tensor | undefined;
}

/**
 * Chunk by chunk, with b the running sum of log a and Γᵢⱼ = exp(bᵢ − bⱼ): the u of a chunk solve
 * (I + tril(diag(β) (K Kᵀ ⊙ Γ), −1)) U = diag(β) (V − diag(exp b) K S), S the state before it. Yang et al. 2024,
 * arXiv 2406.06484 and 2412.06464. A chunk of one token is the recurrence itself.
 */
export function deltaProduct({ q, k, v, rate, logDecay, state, segments }: DeltaProductInput): Mixed {
  const [B, H, T, D] = q.shape as [number, number, number, number], E = v.shape[3]!, chunks = chunksOf(T), { count: N, length: C } = chunks;
  const [queries, keys, values] = [q, k, v].map((part) => cut(part.cast('f32'), chunks)) as [Tensor, Tensor, Tensor];
  const rates = cut(rate.cast('f32'), chunks).reshape([B, H, N, C, 1]);
  const log = logDecay && runningSums(cut(logDecay, chunks)).reshape([B, H, N, C, 1]), whole = log && lastOf(log, -2);
  const documents = segments && documentsOf(segments, chunks, 1), seen = documents ? notBefore(C).and(documents.same) : notBefore(C);
  /** What tokens get of the state before the chunk. */
  const faded = (x: Tensor): Tensor => {
    const reached = documents ? x.mul(documents.continued) : x;
    return log ? reached.mul(log.exp()) : reached;
  };
  const weights = log && where(seen, log.sub(log.reshape([B, H, N, 1, C])), -Infinity).exp();

  const overlap = keys.matmul(keys.transpose()).mul(rates), lower = where(documents ? after(C).and(documents.same) : after(C), weights ? overlap.mul(weights) : overlap, 0);
  const solve = unitTriangularInverse(lower), fresh = solve.matmul(values.mul(rates)), used = solve.matmul(faded(keys.mul(rates)));
  const products = queries.matmul(keys.transpose()), scores = weights ? products.mul(weights) : where(seen, products, 0);
  const left = log && whole ? keys.mul(whole.sub(log).exp()) : keys, kept = (documents ? left.mul(documents.open) : left).transpose();

  const whatPasses = whole ? identity(D).mul(whole.exp()) : identity(D), passes = documents ? whatPasses.mul(documents.resets.neg().add(1).reshape([B, 1, N, 1, 1])) : whatPasses;
  const through = passes.sub(kept.matmul(used)), added = kept.matmul(fresh);
  const before = matrixStates({ through, added }, state ?? zeros([B, H, D, E]));
  const alone = N === 1 && !state, replaced = alone ? fresh : fresh.sub(used.matmul(before));
  const inside = scores.matmul(replaced), outputs = alone ? inside : inside.add(faded(queries).matmul(before));
  const last = (x: Tensor): Tensor => lastOf(x, 2), passed = whole ? last(before).mul(last(whole).exp()) : last(before);
  return { output: join(outputs, T), state: passed.add(last(kept).matmul(last(replaced))).reshape([B, H, D, E]) };
}

/** Operations of a token's matrix products, forward, in a sequence whose tokens see `keys` on average. */
export function deltaFlops(keyWidth: number, valueWidth: number, keys: number): number {
  const C = Math.min(longestChunk, 2 * keys), D = keyWidth, E = valueWidth;
  const inside = 2 * C * (3 * D + 2 * E) + 2 * C * C / 3, passed = 2 * D * D + 6 * D * E, between = C < longestChunk ? 0 : (2 * D * D * (D + 2 * E)) / longestChunk;
  return inside + passed + between;
}

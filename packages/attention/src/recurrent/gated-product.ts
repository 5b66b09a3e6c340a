/** The sum that a state keeps of keys and values, each of whose rows fades by a factor of its own: Sₜ = diag(aₜ) Sₜ₋₁ + kₜ vₜᵀ, oₜ = Sₜᵀ qₜ. */
import { arange, where, type Tensor } from '@ashlar/tensor';
import { chunksOf, cut, join, lastOf, notBefore } from './chunks.js';
import type { Mixed } from './decayed-product.js';
import { documentsOf } from './documents.js';
import { fadingStates } from './scan.js';

/** Tokens whose factors are told from the same one: sixteen times the least log factor stays inside f32. */
const partLength = 16;

/** The least log a: with it, the products of `partLength` factors stay inside f32. */
export const leastLogDecay = -4;

export interface GatedProductInput {
  /** Queries and keys [B, H, T, D]. */
  readonly q: Tensor;
  readonly k: Tensor;
  /** [B, H, T, E] */
  readonly v: Tensor;
  /** log a, from `leastLogDecay` to 0: [B, H, T, D]. */
  readonly logDecay: Tensor;
  /** [B, H, D, E]. Absent: nothing. */
  readonly state?: Tensor | undefined;
  /** The number of each token's document, i32 [B, T]; without a state. Absent: one. */
  readonly segments?: Tensor | undefined;
}

/**
 * Chunk by chunk: inside a chunk, scores Σ_d qᵢ exp(bᵢ − bⱼ) kⱼ with b the running sum of log a. They are products of
 * qᵢ exp(bᵢ − β) and kⱼ exp(β − bⱼ), β the b before the part of 16 tokens that i is in: the first exponent is at most 0, the
 * second too, except inside that part, where it is at most −16 · leastLogDecay. Yang et al. 2023, arXiv 2312.06635.
 */
export function gatedProduct({ q, k, v, logDecay, state, segments }: GatedProductInput): Mixed {
  const [B, H, T, D] = q.shape as [number, number, number, number];
  const chunks = chunksOf(T), { count: N, length: C } = chunks, L = Math.min(partLength, C), P = C / L;
  const [queries, keys, values, gates] = [q, k, v, logDecay].map((part) => cut(part.cast('f32'), chunks)) as [Tensor, Tensor, Tensor, Tensor];
  const log = notBefore(C).cast('f32').matmul(gates), whole = lastOf(log, -2);

  const parts = (x: Tensor): Tensor => x.reshape([B, H, N, P, L, D]), first = (x: Tensor): Tensor => parts(x).slice(undefined, undefined, undefined, undefined, [0, 1]);
  const start = first(log).sub(first(gates));
  const partEnd = arange(P).add(1).mul(L).reshape([P, 1, 1]), known = arange(C).reshape([1, C, 1]).lt(partEnd);
  const turned = keys.reshape([B, H, N, 1, C, D]).mul(where(known, start.sub(log.reshape([B, H, N, 1, C, D])), -Infinity).exp());
  const scores = parts(queries).mul(parts(log).sub(start).exp()).matmul(turned.transpose()).reshape([B, H, N, C, C]);
  const documents = segments && documentsOf(segments, chunks, 1);
  const inside = where(documents ? notBefore(C).and(documents.same) : notBefore(C), scores, 0).matmul(values);

  const left = keys.mul(whole.sub(log).exp()), added = (documents ? left.mul(documents.open) : left).transpose().matmul(values);
  const before = fadingStates({ log: whole.reshape([B, H, N, D]), added, resets: documents?.resets }, state);
  const reached = queries.mul(log.exp()).matmul(before);
  const outputs = N === 1 && !state ? inside : inside.add(documents ? reached.mul(documents.continued) : reached);
  const last = (x: Tensor): Tensor => lastOf(x, 2);
  return { output: join(outputs, T), state: last(before).mul(last(whole).exp().transpose()).add(last(added)).reshape([B, H, D, v.shape[3]!]) };
}

import { arange, attention, where, type Tensor } from '@ashlar/tensor';
import { dropout, isTraining, type AttentionCapabilities, type PositionalEncoding, type Positions } from '@ashlar/nn';

/** What attention over the softmax of all scores can do. */
export const softmaxCapabilities = (causal: boolean): AttentionCapabilities => ({
  causal, bidirectional: !causal, cross: false, cache: false, rotate: true, scoreMod: true, arbitraryMask: false, packing: false, innerNorm: true,
});

export interface SoftmaxAttentionInput {
  /** [B, H, T, D], as projected */
  readonly q: Tensor;
  /** [B, G, T, D], as projected */
  readonly k: Tensor;
  /** [B, G, T, D] */
  readonly v: Tensor;
  readonly positions: Positions;
  readonly positional: PositionalEncoding;
  readonly causal: boolean;
  readonly scale: number;
  /** Of the weights, in training. */
  readonly dropout: number;
}

/**
 * softmax(score(scale · q kᵀ) + mask) v with the hooks of the positional encoding: result [B, H, T, D]. Streamed, except
 * where attention weights must be dropped: then they are stored, T × T a head.
 */
export function softmaxAttention({ positions, positional, causal, scale, v, ...given }: SoftmaxAttentionInput): Tensor {
  const q = positional.rotate?.(given.q, positions, 'query') ?? given.q, k = positional.rotate?.(given.k, positions, 'key') ?? given.k;
  const [B, H, T, D] = q.shape as [number, number, number, number], G = k.shape[1]!;
  const score = positional.scoreMod?.({ queries: q, scale, firstQuery: 0 });
  if (given.dropout === 0 || !isTraining()) return attention(q, k, v, { scale, causal, score });
  const scaled = q.reshape([B, G, H / G, T, D]).matmul(k.reshape([B, G, 1, T, D]).transpose()).mul(scale).reshape([B, H, T, T]);
  const points = { b: arange(B).reshape([B, 1, 1, 1]), h: arange(H).reshape([1, H, 1, 1]), q: arange(T).reshape([1, 1, T, 1]), k: arange(T).reshape([1, 1, 1, T]) };
  const scores = score ? score({ ...points, score: scaled }) : scaled;
  const masked = causal ? where(points.k.le(points.q), scores, -Infinity) : scores;
  return dropout(masked.softmax(-1), given.dropout).reshape([B, G, H / G, T, T]).matmul(v.reshape([B, G, 1, T, D])).reshape([B, H, T, D]);
}

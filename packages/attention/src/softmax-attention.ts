import { arange, attention, where, type Tensor } from '@ashlar/tensor';
import { dropout, isTraining, type AttentionCapabilities } from '@ashlar/nn';

/** What attention over the softmax of all scores can do. */
export const softmaxCapabilities = (causal: boolean): AttentionCapabilities => ({
  causal, bidirectional: !causal, cross: false, cache: false, rotate: true, scoreMod: false, arbitraryMask: false, packing: false,
});

export interface SoftmaxAttentionOptions { readonly causal: boolean; readonly scale: number; readonly dropout: number }

/**
 * softmax(scale · q kᵀ + mask) v: q [B, H, T, D]; k, v [B, G, T, D]; result [B, H, T, D]. Streamed, except where
 * attention weights must be dropped: then they are stored, T × T a head.
 */
export function softmaxAttention(q: Tensor, k: Tensor, v: Tensor, options: SoftmaxAttentionOptions): Tensor {
  if (options.dropout === 0 || !isTraining()) return attention(q, k, v, { scale: options.scale, causal: options.causal });
  const [B, H, T, D] = q.shape as [number, number, number, number], G = k.shape[1]!;
  const scores = q.reshape([B, G, H / G, T, D]).matmul(k.reshape([B, G, 1, T, D]).transpose()).mul(options.scale);
  const masked = options.causal ? where(arange(T).reshape([1, T]).le(arange(T).reshape([T, 1])), scores, -Infinity) : scores;
  return dropout(masked.softmax(-1), options.dropout).matmul(v.reshape([B, G, 1, T, D])).reshape([B, H, T, D]);
}

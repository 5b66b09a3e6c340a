import { arange, where, type MaskMod, type ScoreMod, type Tensor } from '@ashlar/tensor';
import { dropout } from '@ashlar/nn';
import { amongGreatest } from './among-greatest.js';

export interface StoredOptions {
  readonly scale: number;
  readonly mask: MaskMod | undefined;
  readonly score: ScoreMod | undefined;
  readonly sinks: Tensor | undefined;
  /** Share of the weights to drop. */
  readonly rate: number;
  readonly strongest: number | undefined;
}

/** Attention with its weights in memory [B, H, T, S], for what must see all of a query's weights at once. */
export function storedAttention(q: Tensor, k: Tensor, v: Tensor, { scale, mask, score, sinks, rate, strongest }: StoredOptions): Tensor {
  const [B, H, T, D] = q.shape as [number, number, number, number], [, G, S] = k.shape as [number, number, number];
  const grouped = (x: Tensor): Tensor => x.cast('f32').reshape([B, G, 1, S, D]);
  const scaled = q.cast('f32').reshape([B, G, H / G, T, D]).matmul(grouped(k).transpose()).mul(scale).reshape([B, H, T, S]);
  const point = { b: arange(B).reshape([B, 1, 1, 1]), h: arange(H).reshape([1, H, 1, 1]), q: arange(T).add(S - T).reshape([1, 1, T, 1]), k: arange(S).reshape([1, 1, 1, S]) };
  const scores = score ? score({ ...point, score: scaled }) : scaled, masked = mask?.(point).broadcastTo([B, H, T, S]);
  const chosen = strongest !== undefined ? amongGreatest(masked ? where(masked, scores, -Infinity) : scores, strongest).gt(0) : undefined;
  const visible = masked && chosen ? masked.and(chosen) : masked ?? chosen;
  const sink = sinks?.reshape([1, H, 1, 1]), most = (visible ? where(visible, scores, -Infinity) : scores).max(-1, { keepDims: true });
  const peak = (sink ? most.maximum(sink) : where(most.eq(-Infinity), 0, most)).stopGradient(), centred = scores.sub(peak);
  const raised = visible ? where(visible, where(visible, centred, 0).exp(), 0) : centred.exp();
  const sum = raised.sum(-1, { keepDims: true }), total = sink ? sum.add(sink.sub(peak).exp()) : where(sum.eq(0), 1, sum);
  return dropout(raised.div(total), rate).reshape([B, G, H / G, T, S]).matmul(grouped(v)).reshape([B, H, T, D]).cast(q.dtype);
}

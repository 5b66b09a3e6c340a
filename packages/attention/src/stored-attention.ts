import { arange, where, zeros, type MaskMod, type ScoreMod, type Tensor } from '@ashlar/tensor';
import { dropout } from '@ashlar/nn';

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
  const chosen = strongest !== undefined && strongest < S ? amongStrongest(masked ? where(masked, scores, -Infinity) : scores, strongest) : undefined;
  const visible = masked && chosen ? masked.and(chosen) : masked ?? chosen;
  const sink = sinks?.reshape([1, H, 1, 1]), most = (visible ? where(visible, scores, -Infinity) : scores).max(-1, { keepDims: true });
  const peak = (sink ? most.maximum(sink) : where(most.eq(-Infinity), 0, most)).stopGradient(), centred = scores.sub(peak);
  const raised = visible ? where(visible, where(visible, centred, 0).exp(), 0) : centred.exp();
  const sum = raised.sum(-1, { keepDims: true }), total = sink ? sum.add(sink.sub(peak).exp()) : where(sum.eq(0), 1, sum);
  return dropout(raised.div(total), rate).reshape([B, G, H / G, T, S]).matmul(grouped(v)).reshape([B, H, T, D]).cast(q.dtype);
}

/**
 * Whether each of a row's values is one of its `count` greatest; ties with the last of those are too. The bits of the
 * count-th greatest are found from the highest to the lowest, each by counting: 32 passes, whatever the count.
 */
function amongStrongest(values: Tensor, count: number): Tensor {
  const bits = values.stopGradient().bitcast('u32'), negative = bits.ge(0x80000000);
  const ordered = where(negative, bits.not(), bits.or(0x80000000)); // greater numbers have greater bits
  let threshold = zeros([...values.shape.slice(0, -1), 1], 'u32');
  for (let bit = 31; bit >= 0; bit--) {
    const candidate = threshold.or(2 ** bit);
    threshold = where(ordered.ge(candidate).cast('i32').sum(-1, { keepDims: true }).ge(count), candidate, threshold);
  }
  return ordered.ge(threshold);
}

import type { ScoreMod, Tensor } from '@ashlar/tensor';

/** score − slope[h] · |q − k|: slopes, f32 [H]. Press et al. 2021, arXiv 2108.12409. */
export const alibi = (slopes: Tensor): ScoreMod => ({ score, h, q, k }) => score.sub(slopes.at(h).mul(q.sub(k).abs().cast('f32')));

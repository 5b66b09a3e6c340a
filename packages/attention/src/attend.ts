import { ShapeError, attention, type MaskMod, type ModPoint, type ScoreMod, type Tensor } from '@ashlar/tensor';
import { isTraining, requireCount } from '@ashlar/nn';
import { sameSegment } from './masks/segments.js';
import { slidingWindow } from './masks/sliding-window.js';
import { softcap } from './scores/soft-cap.js';
import { storedAttention } from './stored-attention.js';

export interface AttendOptions {
  /** Which scores count; joined to the other options that leave scores out. */
  readonly mask?: MaskMod | undefined;
  /** Changes a score by where it is; after the soft cap. */
  readonly score?: ScoreMod | undefined;
  /** Added to the scores; broadcasts to [B, H, T, S]; gets its gradient. */
  readonly bias?: Tensor | undefined;
  /** The same as a mask `slidingWindow(windowKeys)`. */
  readonly windowKeys?: number | undefined;
  /** Factor of the products q·k; default 1/√D. */
  readonly scale?: number | undefined;
  /** No scaled product beyond ±softcap. */
  readonly softcap?: number | undefined;
  /** Score of one more key a head, whose value is 0: f32 [H]. */
  readonly sinks?: Tensor | undefined;
  /** The number of each token's document, i32 [B, T]; T = S. */
  readonly segments?: Tensor | undefined;
  /** bool [B, S], true where a key is padding. */
  readonly keyPadding?: Tensor | undefined;
  /** Places that the mods see, i32 [T] and [S]; default: S − T … S − 1 and 0 … S − 1. A key at a place below 0 is not there. */
  readonly places?: { readonly q: Tensor; readonly k: Tensor } | undefined;
  /** Only so many keys of each query count: those with the greatest scores, and keys that tie with the last of them. Scores are then stored, T × S a head. */
  readonly strongest?: number | undefined;
  /** Share of the attention weights to drop in training. They are then stored, T × S a head. Default 0. */
  readonly dropout?: number | undefined;
}

/**
 * o = softmax(score(cap(scale · q kᵀ)) + bias, over the keys that count) v. q [B, H, T, D]; k, v [B, G, S, D], G a divisor
 * of H (query head h reads key head ⌊h G / H⌋); result [B, H, T, D], in q's dtype, computed in f32. A query that sees
 * nothing gives 0. Masks and scores are traced into one streaming kernel; memory is linear in T, except under `dropout` and
 * `strongest`.
 * Dao et al. 2022, arXiv 2205.14135; Dong et al. 2024, arXiv 2412.05496.
 * @throws {ShapeError} where operands do not fit.
 */
export function attend(q: Tensor, k: Tensor, v: Tensor, options: AttendOptions = {}): Tensor {
  const [B, , T, D] = q.shape as [number, number, number, number], S = k.shape[2]!;
  const { bias, segments, keyPadding, places } = options, scale = options.scale ?? 1 / Math.sqrt(D);
  const masks: MaskMod[] = [], scores: ScoreMod[] = [];
  if (options.mask) masks.push(options.mask);
  if (options.windowKeys !== undefined) masks.push(slidingWindow(options.windowKeys));
  if (places) {
    checkShape('places.q', places.q, [T], 'i32');
    checkShape('places.k', places.k, [S], 'i32');
    masks.push((at) => at.k.ge(0));
  }
  if (segments) {
    checkShape('segments', segments, [B, T], 'i32');
    if (S !== T) throw new ShapeError(`attend: segments are of queries and keys that are the same tokens, got ${T} queries and ${S} keys`);
    masks.push(sameSegment(segments));
  }
  if (keyPadding) {
    checkShape('keyPadding', keyPadding, [B, S], 'bool');
    masks.push(() => keyPadding.reshape([B, 1, 1, S]).not());
  }
  if (options.softcap !== undefined) scores.push(softcap(options.softcap));
  if (options.score) scores.push(options.score);
  if (bias) scores.push(({ score }) => score.add(bias));

  const placed = <P extends ModPoint>(point: P): P => (places ? { ...point, q: places.q.reshape([1, 1, T, 1]), k: places.k.reshape([1, 1, 1, S]) } : point);
  const mask: MaskMod | undefined = masks.length > 0 ? (point) => masks.map((one) => one(placed(point))).reduce((x, y) => x.and(y)) : undefined;
  const score: ScoreMod | undefined = scores.length > 0 ? (point) => scores.reduce((value, one) => one({ ...placed(point), score: value }), point.score) : undefined;
  const rate = isTraining() ? options.dropout ?? 0 : 0, { sinks, strongest } = options;
  if (strongest !== undefined) requireCount('attend', 'strongest', strongest);
  return rate === 0 && strongest === undefined ? attention(q, k, v, { scale, mask, score, sinks }) : storedAttention(q, k, v, { scale, mask, score, sinks, rate, strongest });
}

function checkShape(name: string, given: Tensor, shape: readonly number[], dtype: string): void {
  if (given.dtype !== dtype || given.shape.join() !== shape.join()) throw new ShapeError(`attend: ${name} must be ${dtype} [${shape.join(', ')}], got ${given.dtype} [${given.shape.join(', ')}]`);
}

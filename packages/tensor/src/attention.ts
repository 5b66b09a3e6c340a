/**
 * Softmax attention as a fused operation, with mods inlined. Axis letters: B batch, T queries, S keys, H query heads,
 * G key/value heads, D head width.
 */
import { gradients } from './autodiff.js';
import { isFloat } from './dtype.js';
import { defineFused } from './fused.js';
import { applyMod, pointsOf, traceMods, type MaskMod, type ScoreMod, type TracedMod } from './mods.js';
import { sameShape, show, ShapeError, type Shape } from './node.js';
import { Tensor, where } from './tensor.js';

/**
 * Attributes of the operations `attention` (operands q, k, v, …captures) and `attentionGrad` (q, k, v, o, lse, dO,
 * …captures; results dq, dk, dv, and the gradient of each float capture). Kernels get mods as expressions over loop axes
 * 0…3 = batch, head, query, key (`mask`: bool; `score`: f32, from the `accumulator`), and `attentionGrad` also `slope`
 * (∂score/∂accumulator) and `tables` (see `AttentionTable`).
 */
export interface AttentionAttributes extends Readonly<Record<string, unknown>> {
  readonly scale: number;
  /** Query t sees keys s ≤ t + S − T, beside what the mask says. */
  readonly causal: boolean;
  readonly mask?: TracedMod;
  readonly score?: TracedMod;
}

export interface AttentionShape { readonly B: number; readonly H: number; readonly T: number; readonly D: number; readonly G: number; readonly S: number }

interface Typed { readonly shape: Shape; readonly dtype: string }

function attentionShape(inputs: readonly Typed[]): AttentionShape {
  const [q, k, v] = inputs, given = inputs.slice(0, 3).map((input) => show(input.shape)).join(', ');
  if (inputs.slice(0, 3).some((input) => input.shape.length !== 4 || input.dtype !== q!.dtype || !['f32', 'f16'].includes(input.dtype))) throw new ShapeError(`attention takes float q [B, H, T, D], k and v [B, G, S, D] of one dtype, got ${given}`);
  const [B, H, T, D] = q!.shape as [number, number, number, number], [, G, S] = k!.shape as [number, number, number];
  if (!sameShape(k!.shape, [B, G, S, D]) || !sameShape(v!.shape, [B, G, S, D])) throw new ShapeError(`attention: q, k and v do not fit: ${given}; k and v must be [B, G, S, D] with q's B and D`);
  if (G === 0 || H % G !== 0) throw new ShapeError(`attention: the key heads must divide the query heads (${H}), got ${G}`);
  return { B, H, T, D, G, S };
}

const wide = (x: Tensor): Tensor => x.cast('f32');

/** [B, T, H, D] in q's dtype and log Σ exp(score) [B, H, T], in primitives. */
function referenceAttention(operands: readonly Tensor[], { scale, causal, mask, score }: AttentionAttributes): [Tensor, Tensor] {
  const [q, k, v, ...captures] = operands as [Tensor, Tensor, Tensor, ...Tensor[]], shape = attentionShape(operands), { B, H, T, D, G, S } = shape;
  const grouped = wide(q).reshape([B, G, H / G, T, D]), keys = wide(k).reshape([B, G, 1, S, D]), values = wide(v).reshape([B, G, 1, S, D]);
  const scaled = grouped.matmul(keys.transpose()).mul(scale).reshape([B, H, T, S]), points = pointsOf(shape);
  const modified = score ? applyMod(score, scaled, captures) : scaled;
  const inside = causal ? points.k.le(points.q) : points.k.ge(0);
  const visible = (mask ? inside.and(applyMod(mask, scaled, captures)) : inside).broadcastTo([B, H, T, S]);
  const scores = where(visible, modified, -Infinity), lse = scores.logSumExp(-1, { keepDims: true });
  const weights = where(visible, where(visible, modified.sub(where(lse.eq(-Infinity), 0, lse)), 0).exp(), 0);
  const o = weights.reshape([B, G, H / G, T, S]).matmul(values).reshape([B, H, T, D]).permute(0, 2, 1, 3).cast(q.dtype);
  return [o, lse.reshape([B, H, T])];
}

/** Scores that count, for the FLOPs in `explain()`; a mask's own savings are not known here. */
const visibleScores = (inputs: readonly { readonly shape: Shape }[], causal: boolean): number => {
  const [B, H, T] = inputs[0]!.shape as [number, number, number], S = inputs[1]!.shape[2]!, corner = Math.min(T, S);
  return B * H * (causal ? T * S - (corner * (corner - 1)) / 2 : T * S);
};
const attentionFlops = (products: number) => ({ inputs, attributes }: { readonly inputs: readonly { readonly shape: Shape }[]; readonly attributes: Readonly<Record<string, unknown>> }): number =>
  visibleScores(inputs, attributes['causal'] === true) * (2 * inputs[0]!.shape[3]! * products + 4);

const applyAttentionGradient = defineFused<AttentionAttributes>({
  name: 'attentionGrad',
  outputs: (inputs) => {
    const { B, H, T, D, G, S } = attentionShape(inputs), { dtype } = inputs[0]!;
    const captures = inputs.slice(6).filter((input) => isFloat(input.dtype)).map((input) => ({ shape: input.shape, dtype: input.dtype }));
    return [{ shape: [B, T, H, D], dtype }, { shape: [B, S, G, D], dtype }, { shape: [B, S, G, D], dtype }, ...captures];
  },
  reference: ([q, k, v, , , g, ...captures], attributes) => {
    const operands = [q!, k!, v!, ...captures].map((operand) => operand.stopGradient());
    const [o] = referenceAttention(operands, attributes);
    const [dq, dk, dv, ...rest] = gradients(o, operands.filter((operand) => isFloat(operand.dtype)), g);
    return [...[dq!, dk!, dv!].map((gradient) => gradient.permute(0, 2, 1, 3)), ...rest];
  },
  flops: attentionFlops(5),
  tolerance: { f32: 1e-4, f16: 5e-3 },
  cases: [],
});

const attentionCases = ([[1, 2, 2, 1, 1, 4], [2, 4, 2, 7, 7, 8], [1, 2, 1, 5, 9, 4], [1, 3, 3, 63, 65, 16], [1, 2, 2, 64, 64, 32]] as const).flatMap(([B, H, G, T, S, D]) =>
  [true, false].map((causal) => ({ inputs: [{ shape: [B, H, T, D] }, { shape: [B, G, S, D] }, { shape: [B, G, S, D] }], attributes: { scale: 1 / Math.sqrt(D), causal } })));

const applyAttention = defineFused<AttentionAttributes>({
  name: 'attention',
  outputs: (inputs) => {
    const { B, H, T, D } = attentionShape(inputs);
    return [{ shape: [B, T, H, D], dtype: inputs[0]!.dtype }, { shape: [B, H, T], dtype: 'f32' }];
  },
  reference: (inputs, attributes) => referenceAttention(inputs, attributes),
  vjp: ({ inputs: [q, k, v, ...captures], outputs: [o, lse], cotangents: [g], attributes }) => {
    const shifted = (mod: TracedMod | undefined): TracedMod | undefined => mod && { ...mod, firstInput: 6 };
    const mask = shifted(attributes.mask), score = shifted(attributes.score);
    const [dq, dk, dv, ...rest] = applyAttentionGradient([q!, k!, v!, o!, lse!, g!, ...captures], { scale: attributes.scale, causal: attributes.causal, ...(mask ? { mask } : {}), ...(score ? { score } : {}) });
    return [...[dq!, dk!, dv!].map((gradient) => gradient.permute(0, 2, 1, 3)), ...captures.map((capture) => (isFloat(capture.dtype) ? rest.shift() : undefined))];
  },
  flops: attentionFlops(2),
  tolerance: { f32: 1e-5, f16: 2e-3 },
  cases: attentionCases,
});

export interface AttentionOptions {
  /** Factor of the products q·k; 1/√D unless given. */
  readonly scale?: number;
  /** Query t sees keys s ≤ t + S − T: the same as a mask `({ q, k }) => k.le(q)`. */
  readonly causal?: boolean;
  readonly mask?: MaskMod | undefined;
  readonly score?: ScoreMod | undefined;
}

/**
 * Softmax attention: softmax(score(scale · q kᵀ) where mask) v, streamed: no T × S matrix is stored where the device has
 * the kernel. q [B, H, T, D]; k, v [B, G, S, D] with G dividing H: query head h reads key head ⌊h·G/H⌋. A query that sees
 * nothing gives 0. Result [B, H, T, D]. The mods are traced into the kernel (see `MaskMod`, `ScoreMod`); float tensors
 * that a score mod captures get their gradient. Dao et al. 2022, arXiv 2205.14135; Dong et al. 2024, arXiv 2412.05496.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const shape = attentionShape([q, k, v]);
  const { mask, score, causal, captures } = traceMods({ mask: options.mask, score: options.score }, shape, 3);
  const attributes = { scale: options.scale ?? 1 / Math.sqrt(shape.D), causal: causal || (options.causal ?? false), ...(mask ? { mask } : {}), ...(score ? { score } : {}) };
  return applyAttention([q, k, v, ...captures.map((node) => new Tensor(node))], attributes)[0]!.permute(0, 2, 1, 3);
}

/**
 * Softmax attention as a fused operation, with mods inlined. Axis letters: B batch, T queries, S keys, H query heads,
 * G key/value heads, D head width.
 */
import { gradients } from './autodiff.js';
import { blockMap } from './block-map.js';
import { isFloat, type DType } from './dtype.js';
import { defineFused } from './fused.js';
import type { Expression } from './kernel.js';
import { applyMod, pointsOf, traceMods, type MaskMod, type ScoreMod, type TracedMod } from './mods.js';
import { sameShape, show, ShapeError, type Shape } from './node.js';
import { Tensor, where } from './tensor.js';

/**
 * Attributes of the operations `attention` (operands q, k, v, …captures) and `attentionGrad` (q, k, v, o, lse, dO,
 * …captures; results dq, dk, dv, and the gradient of each float capture that `differentiate` names). Kernels get mods as
 * expressions over loop axes 0…3 = batch, head, query, key (`mask`: bool; `score`: f32, from the `accumulator`), and
 * beside a score mod its `slope` (∂score/∂accumulator) and `tables` (see `AttentionTable`).
 *
 * With p = exp(score − lse) and d = p (dO·v − Σ o dO) where a score is visible, else 0, `attentionGrad` gives
 * dq = scale Σ_s d·slope·k, dk = scale Σ_t d·slope·q, dv = Σ_t p dO, and for an operand in `differentiate`, in its own
 * shape and dtype, at each position the sum of d·coefficient over all scores (b, h, q, k) and all its `tables` that read
 * there: 0 where nothing does. The sum has one order, so that the same input gives the same bits.
 */
export interface AttentionAttributes extends Readonly<Record<string, unknown>> {
  readonly scale: number;
  /** Query t sees keys s ≤ t + S − T, beside what the mask says. */
  readonly causal: boolean;
  readonly mask?: TracedMod;
  readonly score?: TracedMod;
  /** Of `attentionGrad`: the operands among the captures (6, 7, …) whose gradients are results 3, 4, …, in this order. */
  readonly differentiate?: readonly number[];
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

/** The scores [B, H, T, S] before and after the score mod, and which of them count, in primitives. */
function scoresOf(q: Tensor, k: Tensor, captures: readonly Tensor[], { scale, causal, mask, score }: AttentionAttributes): { modified: Tensor; visible: Tensor } {
  const shape = attentionShape([q, k, k]), { B, H, T, D, G, S } = shape;
  const scaled = wide(q).reshape([B, G, H / G, T, D]).matmul(wide(k).reshape([B, G, 1, S, D]).transpose()).mul(scale).reshape([B, H, T, S]), points = pointsOf(shape);
  const inside = causal ? points.k.le(points.q) : points.k.ge(0);
  const visible = (mask ? inside.and(applyMod(mask, scaled, captures)) : inside).broadcastTo([B, H, T, S]);
  return { modified: score ? applyMod(score, scaled, captures) : scaled, visible };
}

/** exp(score − lse) where visible, else 0; lse [B, H, T]. */
const weightsOf = ({ modified, visible }: { modified: Tensor; visible: Tensor }, lse: Tensor): Tensor =>
  where(visible, where(visible, modified.sub(where(lse.eq(-Infinity), 0, lse).reshape([...lse.shape, 1])), 0).exp(), 0);

/** [B, T, H, D] in q's dtype and log Σ exp(score) [B, H, T], in primitives. */
function referenceAttention(operands: readonly Tensor[], attributes: AttentionAttributes): [Tensor, Tensor] {
  const [q, k, v, ...captures] = operands as [Tensor, Tensor, Tensor, ...Tensor[]], { B, H, T, D, G, S } = attentionShape(operands);
  const scores = scoresOf(q, k, captures, attributes), lse = where(scores.visible, scores.modified, -Infinity).logSumExp(-1);
  const o = weightsOf(scores, lse).reshape([B, G, H / G, T, S]).matmul(wide(v).reshape([B, G, 1, S, D])).reshape([B, H, T, D]).permute(0, 2, 1, 3).cast(q.dtype);
  return [o, lse];
}

/**
 * With weights p = exp(score − lse), whatever lse is: dv = pᵀ dO, and p (dO·v − Σ o dO) for the scores. Where o and lse
 * count a further key that is in none of the operands, as a sink, so do the gradients.
 */
function referenceGradient([q, k, v, o, lse, g, ...captures]: readonly Tensor[], attributes: AttentionAttributes): Tensor[] {
  const { B, H, T, D, G, S } = attentionShape([q!, k!, v!]);
  const operands = [q!, k!, ...captures].map((operand) => operand.stopGradient());
  const scores = scoresOf(operands[0]!, operands[1]!, operands.slice(2), attributes), weights = weightsOf(scores, lse!);
  const upstream = wide(g!).permute(0, 2, 1, 3).reshape([B, G, H / G, T, D]), delta = wide(o!).mul(wide(g!)).sum(-1).permute(0, 2, 1).reshape([B, H, T, 1]);
  const slopes = weights.mul(upstream.matmul(wide(v!).reshape([B, G, 1, S, D]).transpose()).reshape([B, H, T, S]).sub(delta));
  const [dq, dk, ...rest] = gradients(scores.modified, [operands[0]!, operands[1]!, ...(attributes.differentiate ?? []).map((i) => operands[i - 4]!)], { cotangent: slopes });
  const dv = weights.reshape([B, G, H / G, T, S]).transpose().matmul(upstream).sum(2).cast(v!.dtype);
  return [...[dq!, dk!, dv].map((gradient) => gradient.permute(0, 2, 1, 3)), ...rest];
}

/** Scores that count, for the FLOPs in `explain()`; a mask's own savings are not known here. */
const visibleScores = (inputs: readonly { readonly shape: Shape }[], causal: boolean): number => {
  const [B, H, T] = inputs[0]!.shape as [number, number, number], S = inputs[1]!.shape[2]!, corner = Math.min(T, S);
  return B * H * (causal ? T * S - (corner * (corner - 1)) / 2 : T * S);
};
const attentionFlops = (products: number) => ({ inputs, attributes }: { readonly inputs: readonly { readonly shape: Shape }[]; readonly attributes: Readonly<Record<string, unknown>> }): number =>
  visibleScores(inputs, attributes['causal'] === true) * (2 * inputs[0]!.shape[3]! * products + 4);

/** How many blocks of the score matrix the masks leave something in, as far as they tell without their operands' values. */
const visibleBlocks = ({ inputs, attributes }: { readonly inputs: readonly { readonly shape: Shape }[]; readonly attributes: Readonly<Record<string, unknown>> }): string => {
  const [B, H, T] = inputs[0]!.shape as [number, number, number], S = inputs[1]!.shape[2]!, size = 64, rows = Math.ceil(T / size), columns = Math.ceil(S / size), { causal, mask } = attributes;
  const states = mask ? blockMap(mask as Expression, { B, H, T, S }, size, size) : undefined;
  const seen = Array.from({ length: rows * columns }, (_, block) => (states?.[block] !== 0) && (!causal || (block % columns) * size <= Math.min(T, (Math.floor(block / columns) + 1) * size) - 1 + S - T)).filter(Boolean).length;
  return `${seen} of ${rows * columns} blocks of ${size}×${size} scores`;
};

const applyAttentionGradient = defineFused<AttentionAttributes>({
  name: 'attentionGrad',
  outputs: (inputs, { differentiate = [] }) => {
    const { B, H, T, D, G, S } = attentionShape(inputs), { dtype } = inputs[0]!;
    const captures = differentiate.map((i) => ({ shape: inputs[i]!.shape, dtype: inputs[i]!.dtype }));
    return [{ shape: [B, T, H, D], dtype }, { shape: [B, S, G, D], dtype }, { shape: [B, S, G, D], dtype }, ...captures];
  },
  reference: (inputs, attributes) => referenceGradient(inputs, attributes),
  flops: attentionFlops(5),
  describe: visibleBlocks,
  tolerance: { f32: 1e-4, f16: 5e-3 },
  cases: [],
});

const attentionCases = ([[1, 2, 2, 1, 1, 4], [2, 4, 2, 7, 7, 8], [1, 2, 1, 5, 9, 4], [1, 3, 3, 63, 65, 16], [1, 2, 2, 64, 64, 32]] as const).flatMap(([B, H, G, T, S, D]) =>
  [true, false].map((causal) => ({ inputs: [{ shape: [B, H, T, D] }, { shape: [B, G, S, D] }, { shape: [B, G, S, D] }], attributes: { scale: 1 / Math.sqrt(D), causal } })));

/** The attributes, where the mods' captures are operands from another place on. */
const capturesFrom = ({ mask, score, ...rest }: AttentionAttributes, firstInput: number): AttentionAttributes =>
  ({ ...rest, ...(mask ? { mask: { ...mask, firstInput } } : {}), ...(score ? { score: { ...score, firstInput } } : {}) });

/** Gradients of q, k, v [B, H | G, T | S, D] and of those captures that want it. */
function pullBack(operands: { readonly q: Tensor; readonly k: Tensor; readonly v: Tensor; readonly o: Tensor; readonly lse: Tensor; readonly g: Tensor; readonly captures: readonly Tensor[] }, attributes: AttentionAttributes, wants: (capture: number) => boolean): (Tensor | undefined)[] {
  const { q, k, v, o, lse, g, captures } = operands, wanted = captures.map((_, i) => i).filter((i) => isFloat(captures[i]!.dtype) && wants(i));
  const [dq, dk, dv, ...rest] = applyAttentionGradient([q, k, v, o, lse, g, ...captures], { ...capturesFrom(attributes, 6), ...(wanted.length > 0 ? { differentiate: wanted.map((i) => i + 6) } : {}) });
  return [...[dq!, dk!, dv!].map((gradient) => gradient.permute(0, 2, 1, 3)), ...captures.map((_, i) => (wanted.includes(i) ? rest[wanted.indexOf(i)] : undefined))];
}

const attentionOutputs = (inputs: readonly { readonly shape: Shape; readonly dtype: DType }[]): { readonly shape: Shape; readonly dtype: DType }[] => {
  const { B, H, T, D } = attentionShape(inputs);
  return [{ shape: [B, T, H, D], dtype: inputs[0]!.dtype }, { shape: [B, H, T], dtype: 'f32' }];
};

const applyAttention = defineFused<AttentionAttributes>({
  name: 'attention',
  outputs: (inputs) => attentionOutputs(inputs),
  reference: (inputs, attributes) => referenceAttention(inputs, attributes),
  vjp: ({ inputs: [q, k, v, ...captures], outputs: [o, lse], cotangents: [g], attributes, wants }) => pullBack({ q: q!, k: k!, v: v!, o: o!, lse: lse!, g: g!, captures }, attributes, (i) => wants(i + 3)),
  flops: attentionFlops(2),
  describe: visibleBlocks,
  tolerance: { f32: 1e-5, f16: 2e-3 },
  cases: attentionCases,
});

/**
 * Attention whose softmax counts one more key a head, the sink: its score is given and its value is 0. Operands q, k, v,
 * sinks [H], …captures; results as of `attention`, with the sink in the log-sum-exp. It is attention's result times
 * 1 / (1 + exp(sink − lse)), and its gradient is the kernel of attention's, given this result and this log-sum-exp.
 */
const applySinkAttention = defineFused<AttentionAttributes>({
  name: 'sinkAttention',
  outputs: (inputs) => {
    const { H } = attentionShape(inputs), sinks = inputs[3];
    if (!sinks || !sameShape(sinks.shape, [H]) || sinks.dtype !== 'f32') throw new ShapeError(`attention: sinks must be f32 [H] = [${H}], got ${sinks ? `${sinks.dtype} ${show(sinks.shape)}` : 'nothing'}`);
    return attentionOutputs(inputs);
  },
  reference: ([q, k, v, sinks, ...captures], attributes) => {
    const [o, lse] = applyAttention([q!, k!, v!, ...captures], capturesFrom(attributes, 3)) as [Tensor, Tensor], [, H] = lse.shape;
    const sink = sinks!.reshape([H!, 1]).broadcastTo(lse.shape), peak = lse.maximum(sink);
    const total = peak.add(lse.sub(peak).exp().add(sink.sub(peak).exp()).log());
    return [wide(o).mul(lse.sub(total).exp().permute(0, 2, 1).reshape([...o.shape.slice(0, 3), 1])).cast(o.dtype), total];
  },
  vjp: ({ inputs: [q, k, v, sinks, ...captures], outputs: [o, lse], cotangents: [g], attributes, wants }) => {
    const [dq, dk, dv, ...rest] = pullBack({ q: q!, k: k!, v: v!, o: o!, lse: lse!, g: g!, captures }, attributes, (i) => wants(i + 4));
    const delta = wide(o!).mul(wide(g!)).sum(-1).permute(0, 2, 1), [, H] = lse!.shape;
    return [dq, dk, dv, sinks!.reshape([H!, 1]).sub(lse!).exp().mul(delta).sum([0, 2]).neg(), ...rest];
  },
  tolerance: { f32: 1e-5, f16: 2e-3 },
  cases: ([[1, 2, 2, 1, 1, 4], [2, 4, 2, 7, 7, 8], [1, 3, 1, 5, 9, 4]] as const).map(([B, H, G, T, S, D]) =>
    ({ inputs: [{ shape: [B, H, T, D] }, { shape: [B, G, S, D] }, { shape: [B, G, S, D] }, { shape: [H] }], attributes: { scale: 1 / Math.sqrt(D), causal: true } })),
});

export interface AttentionOptions {
  /** Factor of the products q·k; 1/√D unless given. */
  readonly scale?: number;
  /** Query t sees keys s ≤ t + S − T: the same as a mask `({ q, k }) => k.le(q)`. */
  readonly causal?: boolean;
  readonly mask?: MaskMod | undefined;
  readonly score?: ScoreMod | undefined;
  /** Score of one more key a head, whose value is 0: f32 [H]. gpt-oss; Xiao et al. 2023, arXiv 2309.17453. */
  readonly sinks?: Tensor | undefined;
}

/**
 * Softmax attention: softmax(score(scale · q kᵀ) where mask) v, streamed: no T × S matrix is stored where the device has
 * the kernel. q [B, H, T, D]; k, v [B, G, S, D] with G dividing H: query head h reads key head ⌊h·G/H⌋. A query that sees
 * nothing gives 0. Result [B, H, T, D]. The mods are traced into the kernel (see `MaskMod`, `ScoreMod`); float tensors
 * that a score mod captures get their gradient. Dao et al. 2022, arXiv 2205.14135; Dong et al. 2024, arXiv 2412.05496.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const shape = attentionShape([q, k, v]);
  const { sinks } = options;
  const { mask, score, causal, captures } = traceMods({ mask: options.mask, score: options.score }, shape, sinks ? 4 : 3);
  const attributes = { scale: options.scale ?? 1 / Math.sqrt(shape.D), causal: causal || (options.causal ?? false), ...(mask ? { mask } : {}), ...(score ? { score } : {}) };
  const operands = captures.map((node) => new Tensor(node));
  const [o] = sinks ? applySinkAttention([q, k, v, sinks, ...operands], attributes) : applyAttention([q, k, v, ...operands], attributes);
  return o!.permute(0, 2, 1, 3);
}

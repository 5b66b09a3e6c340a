/** The fused operations that a transformer step needs. Axis letters: B batch, T queries, S keys, H heads, G key/value heads, D head width, C width, V vocabulary, N rows. */
import { isFloat } from './dtype.js';
import { defineFused } from './fused.js';
import { sameShape, show, ShapeError } from './node.js';
import { Tensor, arange, where } from './tensor.js';

const wide = (x: Tensor): Tensor => x.cast('f32');

/** Mean and 1/√(variance + ε) of each row, in f32. */
function moments(x: Tensor, epsilon: number): { centred: Tensor; inverse: Tensor } {
  const centred = wide(x).sub(wide(x).mean(-1, { keepDims: true }));
  return { centred, inverse: centred.square().mean(-1, { keepDims: true }).add(epsilon).rsqrt() };
}

const inverseRootMeanSquare = (x: Tensor, epsilon: number): Tensor => wide(x).square().mean(-1, { keepDims: true }).add(epsilon).rsqrt();

function checkNorm(name: string, shapes: readonly { readonly shape: readonly number[]; readonly dtype: string }[]): void {
  const [x, ...rest] = shapes, width = x?.shape.at(-1);
  if (width === undefined) throw new ShapeError(`${name} takes a tensor [..., C], got a scalar`);
  for (const weight of rest) if (!sameShape(weight.shape, [width])) throw new ShapeError(`${name}: gain and bias must have shape [${width}], got ${show(weight.shape)}`);
}

const sumRows = (x: Tensor): Tensor => x.reshape([-1, x.shape.at(-1)!]).sum(0);

const normCases = [{ inputs: [{ shape: [5, 7] }, { shape: [7] }], attributes: { epsilon: 1e-5 } }, { inputs: [{ shape: [2, 3, 64] }, { shape: [64] }], attributes: { epsilon: 1e-5 } }, { inputs: [{ shape: [3, 65] }], attributes: { epsilon: 1e-5 } }];

const applyLayerNorm = defineFused<{ epsilon: number }>({
  name: 'layerNorm',
  outputs: (inputs) => { checkNorm('layerNorm', inputs); return [{ shape: inputs[0]!.shape, dtype: inputs[0]!.dtype }]; },
  reference: ([x, gain, bias], { epsilon }) => {
    const { centred, inverse } = moments(x!, epsilon);
    const normalized = centred.mul(inverse);
    const scaled = gain ? normalized.mul(wide(gain)) : normalized;
    return [(bias ? scaled.add(wide(bias)) : scaled).cast(x!.dtype)];
  },
  vjp: ({ inputs: [x, gain, bias], cotangents: [g], attributes: { epsilon } }) => {
    const { centred, inverse } = moments(x!, epsilon), normalized = centred.mul(inverse), upstream = wide(g!);
    const inner = gain ? upstream.mul(wide(gain)) : upstream;
    const dx = inverse.mul(inner.sub(inner.mean(-1, { keepDims: true })).sub(normalized.mul(inner.mul(normalized).mean(-1, { keepDims: true }))));
    return [dx.cast(x!.dtype), gain && sumRows(upstream.mul(normalized)).cast(gain.dtype), bias && sumRows(upstream).cast(bias.dtype)];
  },
  tolerance: { f32: 1e-5, f16: 2e-3 },
  cases: [...normCases, { inputs: [{ shape: [4, 33] }, { shape: [33] }, { shape: [33] }], attributes: { epsilon: 1e-5 } }],
});

/**
 * Layer normalization over the last axis: (x − mean) / √(variance + ε) · gain + bias, with the biased variance.
 * x [..., C], gain and bias [C]; statistics in f32. Ba et al. 2016, arXiv 1607.06450.
 */
export const layerNorm = (x: Tensor, options: { gain?: Tensor; bias?: Tensor; epsilon?: number } = {}): Tensor => {
  if (options.bias && !options.gain) throw new TypeError('layerNorm: a bias needs a gain');
  return applyLayerNorm([x, options.gain, options.bias].filter((tensor) => tensor !== undefined), { epsilon: options.epsilon ?? 1e-5 })[0]!;
};

const applyRmsNorm = defineFused<{ epsilon: number }>({
  name: 'rmsNorm',
  outputs: (inputs) => { checkNorm('rmsNorm', inputs); return [{ shape: inputs[0]!.shape, dtype: inputs[0]!.dtype }]; },
  reference: ([x, gain], { epsilon }) => {
    const normalized = wide(x!).mul(inverseRootMeanSquare(x!, epsilon));
    return [(gain ? normalized.mul(wide(gain)) : normalized).cast(x!.dtype)];
  },
  vjp: ({ inputs: [x, gain], cotangents: [g], attributes: { epsilon } }) => {
    const inverse = inverseRootMeanSquare(x!, epsilon), normalized = wide(x!).mul(inverse), upstream = wide(g!);
    const inner = gain ? upstream.mul(wide(gain)) : upstream;
    const dx = inverse.mul(inner.sub(normalized.mul(inner.mul(normalized).mean(-1, { keepDims: true }))));
    return [dx.cast(x!.dtype), gain && sumRows(upstream.mul(normalized)).cast(gain.dtype)];
  },
  tolerance: { f32: 1e-5, f16: 2e-3 },
  cases: normCases,
});

/**
 * Root-mean-square normalization over the last axis: x / √(mean x² + ε) · gain. x [..., C], gain [C]; statistics in f32.
 * Zhang and Sennrich 2019, arXiv 1910.07467 (with ε inside the root).
 */
export const rmsNorm = (x: Tensor, options: { gain?: Tensor; epsilon?: number } = {}): Tensor =>
  applyRmsNorm(options.gain ? [x, options.gain] : [x], { epsilon: options.epsilon ?? 1e-6 })[0]!;

const applyCrossEntropy = defineFused<Record<string, never>>({
  name: 'softmaxCrossEntropy',
  outputs: ([logits, targets]) => {
    if (logits?.shape.length !== 2 || targets?.shape.length !== 1 || logits.shape[0] !== targets.shape[0] || !isFloat(logits.dtype) || isFloat(targets.dtype)) {
      throw new ShapeError(`softmaxCrossEntropy takes float logits [N, V] and integer targets [N], got ${logits && show(logits.shape)} and ${targets && show(targets.shape)}`);
    }
    return [{ shape: [logits.shape[0]!], dtype: 'f32' }];
  },
  reference: ([logits, targets]) => {
    const x = wide(logits!), target = targets!.cast('i32');
    return [where(target.ge(0), x.logSumExp(-1).sub(x.pick(target)), 0)];
  },
  vjp: ({ inputs: [logits, targets], cotangents: [g] }) => {
    const x = wide(logits!), target = targets!.cast('i32'), rows = [x.shape[0]!, 1] as const;
    const hit = arange(x.shape[1]!).eq(target.reshape(rows)).cast('f32');
    const upstream = where(target.ge(0), g!, 0).reshape(rows);
    return [x.sub(x.logSumExp(-1, { keepDims: true })).exp().sub(hit).mul(upstream).cast(logits!.dtype), undefined];
  },
  tolerance: { f32: 1e-5, f16: 2e-3 },
  cases: [{ inputs: [{ shape: [5, 7] }, { shape: [5], dtype: 'i32', max: 7 }], attributes: {} }, { inputs: [{ shape: [33, 65] }, { shape: [33], dtype: 'i32', max: 65 }], attributes: {} }],
});

/**
 * −log softmax(logits)[target] of each row: logits [N, V], targets [N] (i32), result [N] in f32. Never overflows. A row
 * with a negative target has loss 0 and no gradient.
 */
export const softmaxCrossEntropy = (logits: Tensor, targets: Tensor): Tensor => applyCrossEntropy([logits, targets], {})[0]!;

export interface AttentionAttributes extends Readonly<Record<string, unknown>> { readonly scale: number; readonly causal: boolean }

/** q as [B, G, H/G, T, D], k and v as [B, G, 1, S, D]; the scaled scores [B, G, H/G, T, S] and which are visible. */
function scoresOf(q: Tensor, k: Tensor, { scale, causal }: AttentionAttributes): { scores: Tensor; visible: Tensor } {
  const [B, H, T, D] = q.shape as [number, number, number, number], G = k.shape[1]!, S = k.shape[2]!;
  const scores = wide(q).reshape([B, G, H / G, T, D]).matmul(wide(k).reshape([B, G, 1, S, D]).transpose()).mul(scale);
  const visible = causal ? arange(S).reshape([1, S]).le(arange(T).reshape([T, 1]).add(S - T)) : arange(S).ge(0).broadcastTo([T, S]);
  return { scores: where(visible, scores, -Infinity), visible };
}

const headsLast = (x: Tensor, B: number, T: number, H: number, D: number): Tensor => x.reshape([B, H, T, D]).permute(0, 2, 1, 3);

function checkAttention(inputs: readonly { readonly shape: readonly number[]; readonly dtype: string }[]): { B: number; H: number; T: number; D: number; G: number; S: number } {
  const [q, k, v] = inputs;
  const given = inputs.slice(0, 3).map((input) => show(input.shape)).join(', ');
  if (inputs.slice(0, 3).some((input) => input.shape.length !== 4 || input.dtype !== q!.dtype || !['f32', 'f16'].includes(input.dtype))) throw new ShapeError(`attention takes float q [B, H, T, D], k and v [B, G, S, D] of one dtype, got ${given}`);
  const [B, H, T, D] = q!.shape as [number, number, number, number], [, G, S] = k!.shape as [number, number, number];
  if (!sameShape(k!.shape, [B, G, S, D]) || !sameShape(v!.shape, [B, G, S, D])) throw new ShapeError(`attention: q, k and v do not fit: ${given}; k and v must be [B, G, S, D] with q's B and D`);
  if (G === 0 || H % G !== 0) throw new ShapeError(`attention: the key heads must divide the query heads (${H}), got ${G}`);
  return { B, H, T, D, G, S };
}

const attentionCases = ([[1, 2, 2, 1, 1, 4], [2, 4, 2, 7, 7, 8], [1, 2, 1, 5, 9, 4], [1, 3, 3, 63, 65, 16], [2, 2, 2, 64, 64, 32]] as const).flatMap(([B, H, G, T, S, D]) =>
  [true, false].map((causal) => ({ inputs: [{ shape: [B, H, T, D] }, { shape: [B, G, S, D] }, { shape: [B, G, S, D] }], attributes: { scale: 1 / Math.sqrt(D), causal } })));

const attentionFlops = (products: number) => ({ inputs, attributes }: { readonly inputs: readonly { readonly shape: readonly number[] }[]; readonly attributes: Readonly<Record<string, unknown>> }): number => {
  const [B, H, T, D] = inputs[0]!.shape as [number, number, number, number], S = inputs[1]!.shape[2]!;
  const visible = attributes['causal'] ? T * S - (Math.min(T, S) * (Math.min(T, S) - 1)) / 2 : T * S;
  return B * H * visible * (2 * D * products + 4);
};

const applyAttentionGradient = defineFused<AttentionAttributes>({
  name: 'attentionGrad',
  outputs: (inputs) => {
    const { B, H, T, D, G, S } = checkAttention(inputs), { dtype } = inputs[0]!;
    return [{ shape: [B, T, H, D], dtype }, { shape: [B, S, G, D], dtype }, { shape: [B, S, G, D], dtype }];
  },
  reference: ([q, k, v, o, lse, g], attributes) => {
    const [B, H, T, D] = q!.shape as [number, number, number, number], G = k!.shape[1]!, S = k!.shape[2]!, R = H / G;
    const { scores, visible } = scoresOf(q!, k!, attributes);
    const weights = where(visible, scores.sub(lse!.reshape([B, G, R, T, 1])).exp(), 0);
    const upstream = wide(g!).permute(0, 2, 1, 3).reshape([B, G, R, T, D]), output = wide(o!).permute(0, 2, 1, 3).reshape([B, G, R, T, D]);
    const dWeights = upstream.matmul(wide(v!).reshape([B, G, 1, S, D]).transpose());
    const dScores = weights.mul(dWeights.sub(upstream.mul(output).sum(-1, { keepDims: true }))).mul(attributes.scale);
    const dq = headsLast(dScores.matmul(wide(k!).reshape([B, G, 1, S, D])), B, T, H, D);
    const dk = headsLast(dScores.transpose().matmul(wide(q!).reshape([B, G, R, T, D])).sum(2), B, S, G, D);
    const dv = headsLast(weights.transpose().matmul(upstream).sum(2), B, S, G, D);
    return [dq, dk, dv].map((gradient) => gradient.cast(q!.dtype));
  },
  flops: attentionFlops(5),
  tolerance: { f32: 1e-4, f16: 5e-3 },
  cases: [],
});

const applyAttention = defineFused<AttentionAttributes>({
  name: 'attention',
  outputs: (inputs) => {
    const { B, H, T, D } = checkAttention(inputs);
    return [{ shape: [B, T, H, D], dtype: inputs[0]!.dtype }, { shape: [B, H, T], dtype: 'f32' }];
  },
  reference: ([q, k, v], attributes) => {
    const [B, H, T, D] = q!.shape as [number, number, number, number], G = k!.shape[1]!, S = k!.shape[2]!;
    const { scores, visible } = scoresOf(q!, k!, attributes), lse = scores.logSumExp(-1, { keepDims: true });
    const weights = where(visible, scores.sub(where(lse.eq(-Infinity), 0, lse)).exp(), 0);
    return [headsLast(weights.matmul(wide(v!).reshape([B, G, 1, S, D])), B, T, H, D).cast(q!.dtype), lse.reshape([B, H, T])];
  },
  vjp: ({ inputs: [q, k, v], outputs: [o, lse], cotangents: [g], attributes }) =>
    applyAttentionGradient([q!, k!, v!, o!, lse!, g!], attributes).map((gradient) => gradient.permute(0, 2, 1, 3)),
  flops: attentionFlops(2),
  tolerance: { f32: 1e-5, f16: 2e-3 },
  cases: attentionCases,
});

/**
 * Softmax attention: softmax(scale · q kᵀ + mask) v, streamed: no T × S matrix is stored where the device has the kernel.
 * q [B, H, T, D]; k, v [B, G, S, D] with G dividing H: query head h reads key head ⌊h·G/H⌋. `causal`: query t sees
 * keys s ≤ t + S − T. A query that sees nothing gives 0. Result [B, H, T, D]. Dao et al. 2022, arXiv 2205.14135.
 */
export const attention = (q: Tensor, k: Tensor, v: Tensor, options: { scale?: number; causal?: boolean } = {}): Tensor =>
  applyAttention([q, k, v], { scale: options.scale ?? 1 / Math.sqrt(q.shape[3] ?? 1), causal: options.causal ?? false })[0]!.permute(0, 2, 1, 3);

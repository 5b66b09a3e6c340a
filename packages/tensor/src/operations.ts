/** Fused norms and the loss. Axis letters: C width, V vocabulary, N rows. */
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

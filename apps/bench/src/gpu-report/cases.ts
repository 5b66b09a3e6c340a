/** The kernels that a report checks and times, beside matrix products: functions of tensors in a small and a real size. */
import { alibi, attend, causal, relativeBias, slidingWindow, softcap, type AttendOptions } from '@ashlar/attention';
import { gradients, layerNorm, rmsNorm, softmaxCrossEntropy, tensor, type DType, type Tensor } from '@ashlar/tensor';

export interface KernelCase {
  readonly name: string;
  /** Largest |result − f64| / (1 + the largest |f64|) that passes. */
  readonly tolerance: number;
  readonly inputs: (size: Size) => readonly Tensor[];
  readonly run: (...inputs: Tensor[]) => readonly Tensor[];
}

/** `check`: small enough for the f64 interpreter, larger than a block of any kernel. `quick`, `full`: to be timed. */
export type Size = 'check' | 'quick' | 'full';

/** Repeatable numbers in (−2, 2). */
export function numbers(shape: readonly number[], seed: number, dtype: DType = 'f32'): Tensor {
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  for (let i = 0; i < values.length; i++) values[i] = Math.sin((i + 1) * (0.61 + 0.17 * seed)) + Math.cos(i * 0.3 + seed);
  const made = tensor(values, { shape });
  return dtype === 'f32' ? made : made.cast(dtype);
}

function attentionCase(name: string, heads: { readonly H: number; readonly G: number; readonly D: number }, options: AttendOptions, learned: readonly Tensor[] = [], dtype: DType = 'f32'): KernelCase {
  const { H, G, D } = heads, length: Record<Size, number> = { check: 130, quick: 256, full: 2048 };
  return {
    name: `attention and its gradients, ${name}`, tolerance: dtype === 'f16' ? 5e-3 : 1e-4,
    inputs: (size) => [[1, H, length[size], D], [1, G, length[size], D], [1, G, length[size], D]].map((shape, i) => numbers(shape, i + 1, dtype)),
    run: (q, k, v) => {
      const o = attend(q!, k!, v!, options);
      return [o, ...gradients(o.cast('f32').square().sum(), [q!, k!, v!, ...learned])];
    },
  };
}

/** Rows and columns by size. */
const rows = (check: readonly [number, number], quick: readonly [number, number], full: readonly [number, number]) => (size: Size): readonly [number, number] => ({ check, quick, full })[size];

const overRows = (name: string, shape: (size: Size) => readonly [number, number], run: (x: Tensor) => readonly Tensor[]): KernelCase =>
  ({ name, tolerance: 1e-5, inputs: (size) => [numbers(shape(size), 1)], run: (x) => run(x!) });

const indices = (count: number, below: number): Tensor => tensor(Int32Array.from({ length: count }, (_, i) => (i * 7919) % below));

/** Every case; those in halves only where the device has them. */
export function kernelCases(half: boolean): KernelCase[] {
  const four = { H: 4, G: 4, D: 32 }, slopes = tensor([0.5, 0.25, 0.125, 0.0625]), table = numbers([4, 33], 9);
  const many = rows([130, 96], [512, 256], [16384, 768]), few = rows([3, 5000], [4, 65536], [8, 1 << 20]), columns = rows([5000, 3], [16384, 16], [1 << 20, 8]);
  const vocabulary = rows([65, 257], [256, 1024], [4096, 32000]);
  return [
    attentionCase('causal', four, { mask: causal }),
    attentionCase('all keys', four, {}),
    attentionCase('grouped heads of 64', { H: 4, G: 2, D: 64 }, { mask: causal }),
    attentionCase('heads of 128', { H: 2, G: 2, D: 128 }, { mask: causal }),
    attentionCase('heads of 20', { H: 2, G: 2, D: 20 }, { mask: causal }),
    attentionCase('a window of 64 keys', four, { mask: slidingWindow(64) }),
    attentionCase('every second key', four, { mask: ({ q, k }) => k.le(q).and(q.sub(k).mod(2).eq(0)) }),
    attentionCase('ALiBi', four, { mask: causal, score: alibi(slopes) }),
    attentionCase('a soft cap', four, { mask: causal, score: softcap(30) }),
    attentionCase('a relative bias that learns', four, { mask: causal, score: relativeBias(table) }, [table]),
    ...(half ? [attentionCase('causal, in halves', four, { mask: causal }, [], 'f16')] : []),
    overRows('sums of many rows', many, (x) => [x.sum(-1)]),
    overRows('sums of few long rows', few, (x) => [x.sum(-1)]),
    overRows('sums of columns', columns, (x) => [x.sum(0)]),
    overRows('greatest of rows', many, (x) => [x.max(-1)]),
    overRows('softmax and its gradient', many, (x) => { const y = x.softmax(-1); return [y, gradients(y.square().sum(), [x])[0]!]; }),
    { name: 'layer norm and its gradients', tolerance: 1e-4, inputs: (size) => { const [n, width] = many(size); return [numbers([n, width], 1), numbers([width], 2), numbers([width], 3)]; },
      run: (x, gain, bias) => { const y = layerNorm(x!, { gain: gain!, bias: bias! }); return [y, gradients(y.square().mean(), [x!])[0]!]; } },
    { name: 'RMS norm and its gradient', tolerance: 1e-4, inputs: (size) => { const [n, width] = many(size); return [numbers([n, width], 1), numbers([width], 2)]; },
      run: (x, gain) => { const y = rmsNorm(x!, { gain: gain! }); return [y, gradients(y.square().mean(), [x!])[0]!]; } },
    { name: 'cross-entropy and its gradient', tolerance: 1e-5, inputs: (size) => [numbers(vocabulary(size), 1), indices(...vocabulary(size))],
      run: (logits, targets) => { const loss = softmaxCrossEntropy(logits!, targets!); return [loss, gradients(loss.mean(), [logits!])[0]!]; } },
    { name: 'rows of a table and their gradient', tolerance: 1e-4, inputs: (size) => { const [n, width] = many(size); return [numbers([257, width], 1), indices(n, 257)]; },
      run: (from, which) => { const y = from!.gather(which!); return [y, gradients(y.square().sum(), [from!])[0]!]; } },
    overRows('element-wise functions', many, (x) => [x.tanh().mul(x.square().neg().exp()).add(x.erf())]),
    overRows('transposition', many, (x) => [x.transpose().add(1)]),
  ];
}

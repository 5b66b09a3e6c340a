/** Times of attention, forward and with its gradients, in turns; a case whose values are wrong gets none. */
import { attend } from '@ashlar/attention';
import { arange, gradients, jit, tensor, type Device, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { heads, type AttentionCase } from './cases.js';

export interface AttentionTime {
  readonly name: string;
  readonly length: number;
  /** Share of all T² scores that count. */
  readonly visible: number;
  readonly forwardMs: number;
  /** Value and gradients of q, k and v. */
  readonly trainingMs: number;
  /** Of the working memory of value and gradients. */
  readonly bytes: number;
}

const headWidth = 32;
/** Length at which values are compared with the f64 interpreter: more than one block of any kernel. */
const checkedLength = 150;

const input = (seed: number, T: number): Tensor => tensor(Float32Array.from({ length: heads * T * headWidth }, (_, i) => Math.sin((i + 1) * seed * 0.7) + Math.cos(i * 0.3)), { shape: [1, heads, T, headWidth] });
const training = (options: AttentionCase['options']) => (q: Tensor, k: Tensor, v: Tensor): { o: Tensor; slopes: Tensor[] } => {
  const o = attend(q, k, v, options);
  return { o, slopes: gradients(o.square().sum(), [q, k, v]) };
};

/** @throws {Error} where a value or gradient is not that of the f64 interpreter. */
async function check(device: Device, { name, options }: AttentionCase): Promise<void> {
  const all = async (on: Device): Promise<ArrayLike<number>[]> => {
    const { o, slopes } = jit(training(options), { device: on })(input(1, checkedLength), input(2, checkedLength), input(3, checkedLength));
    return Promise.all([o, ...slopes].map((one) => one.data()));
  };
  const expected = await all(reference()), got = await all(device);
  expected.forEach((values, i) => {
    const largest = Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0), worst = Array.from(values).reduce((most, value, j) => Math.max(most, Math.abs(value - got[i]![j]!)), 0);
    if (!(worst <= 1e-4 * (1 + largest))) throw new Error(`${name}: ${['the output', 'the gradient of q', 'the gradient of k', 'the gradient of v'][i]} is off by ${worst}, where the largest value is ${largest}`);
  });
}

/** Share of the scores that a mask lets count. */
async function visibleShare(device: Device, { mask }: AttentionCase, T: number): Promise<number> {
  const zero = arange(1).reshape([1, 1, 1, 1]), rows = mask({ b: zero, h: zero, q: arange(T).reshape([1, 1, T, 1]), k: arange(T).reshape([1, 1, 1, T]) }).broadcastTo([1, 1, T, T]).cast('i32').sum(-1);
  return Array.from(await rows.data(device)).reduce((sum, count) => sum + count, 0) / T ** 2;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** Each case at one length, `rounds` times in turns. */
export async function measureAttention(device: Device, cases: readonly AttentionCase[], length: number, rounds: number): Promise<AttentionTime[]> {
  const operands = [input(1, length), input(2, length), input(3, length)] as const, prepared: { one: AttentionCase; visible: number; forward: () => Promise<unknown>; train: () => Promise<unknown>; bytes: () => number; times: [number[], number[]] }[] = [];
  for (const one of cases) {
    await check(device, one);
    const forward = jit((q: Tensor, k: Tensor, v: Tensor) => attend(q, k, v, one.options), { device }), train = jit(training(one.options), { device });
    prepared.push({
      one, visible: await visibleShare(device, one, length), times: [[], []], bytes: () => train.plan?.workBytes ?? 0,
      forward: async () => forward(...operands).data(), train: async () => { const { o, slopes } = train(...operands); await Promise.all([o, ...slopes].map((result) => result.data())); },
    });
  }
  for (let round = -1; round < rounds; round++) for (const { forward, train, times } of prepared) for (const [i, run] of [forward, train].entries()) {
    const start = performance.now();
    await run();
    if (round >= 0) times[i]!.push(performance.now() - start);
  }
  return prepared.map(({ one, visible, bytes, times: [forward, train] }) => ({ name: one.name, length, visible, forwardMs: median(forward), trainingMs: median(train), bytes: bytes() }));
}

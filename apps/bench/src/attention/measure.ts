/** Times of attention, forward and with its gradients, in turns; a case whose values are wrong gets none. */
import { attend, causal } from '@ashlar/attention';
import { Variable, arange, concat, gradients, jit, read, tensor, type Device, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { heads, type AttentionCase } from './cases.js';

export interface AttentionTime {
  readonly name: string;
  readonly length: number;
  /** Share of all T² scores that count. */
  readonly visible: number;
  readonly forwardMs: number;
  /** Value and gradients of q, k and v, and of what the case learns. */
  readonly trainingMs: number;
  /** The same of causal attention over so many tokens that as many scores count. */
  readonly causal: { readonly length: number; readonly forwardMs: number; readonly trainingMs: number };
  /** Of the working memory of value and gradients. */
  readonly bytes: number;
}

const headWidth = 32;
/** Length at which values are compared with the f64 interpreter: more than one block of any kernel. */
const checkedLength = 150;

const numbers = (seed: number, T: number): Float32Array => Float32Array.from({ length: heads * T * headWidth }, (_, i) => Math.sin((i + 1) * seed * 0.7) + Math.cos(i * 0.3));
const input = (seed: number, T: number): Tensor => tensor(numbers(seed, T), { shape: [1, heads, T, headWidth] });
const training = ({ options, learned = [] }: AttentionCase) => (q: Tensor, k: Tensor, v: Tensor): { o: Tensor; slopes: Tensor[] } => {
  const o = attend(q, k, v, options);
  return { o, slopes: gradients(o.square().sum(), [q, k, v, ...learned]) };
};

/** @throws {Error} where a value or gradient is not that of the f64 interpreter. */
async function check(device: Device, one: AttentionCase): Promise<void> {
  const all = async (on: Device): Promise<ArrayLike<number>[]> => {
    const { o, slopes } = jit(training(one), { device: on })(input(1, checkedLength), input(2, checkedLength), input(3, checkedLength));
    return Promise.all([o, ...slopes].map((one) => one.data()));
  };
  const expected = await all(reference()), got = await all(device);
  expected.forEach((values, i) => {
    const largest = Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0), worst = Array.from(values).reduce((most, value, j) => Math.max(most, Math.abs(value - got[i]![j]!)), 0);
    if (!(worst <= 1e-4 * (1 + largest))) throw new Error(`${one.name}: ${['the output', 'the gradient of q', 'the gradient of k', 'the gradient of v'][i] ?? 'the gradient of what it learns'} is off by ${worst}, where the largest value is ${largest}`);
  });
}

/** Share of the scores that a mask lets count. */
async function visibleShare(device: Device, { mask }: AttentionCase, T: number): Promise<number> {
  const zero = arange(1).reshape([1, 1, 1, 1]), rows = mask({ b: zero, h: zero, q: arange(T).reshape([1, 1, T, 1]), k: arange(T).reshape([1, 1, 1, T]) }).broadcastTo([1, 1, T, T]).cast('i32').sum(-1);
  return Array.from(await rows.data(device)).reduce((sum, count) => sum + count, 0) / T ** 2;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** One attention, ready to be timed. Its operands stay on the device, and of its results one number each is read. */
function timed(device: Device, one: AttentionCase, length: number) {
  const operands = [1, 2, 3].map((seed) => new Variable([1, heads, length, headWidth], 'f32', numbers(seed, length))), given = (): [Tensor, Tensor, Tensor] => operands.map((operand) => read(operand)) as [Tensor, Tensor, Tensor];
  const first = (result: Tensor): Tensor => result.reshape([-1]).slice([0, 1]);
  const forward = jit(() => first(attend(...given(), one.options)), { device });
  const train = jit(() => { const { o, slopes } = training(one)(...given()); return concat([o, ...slopes].map(first), 0); }, { device });
  return { runs: [async () => forward().data(), async () => train().data()] as const, times: [[], []] as [number[], number[]], bytes: () => train.plan?.workBytes ?? 0 };
}

/** Each case at one length, `rounds` times in turns, beside causal attention over as many scores. */
export async function measureAttention(device: Device, cases: readonly AttentionCase[], length: number, rounds: number): Promise<AttentionTime[]> {
  const prepared: { one: AttentionCase; visible: number; equal: number; own: ReturnType<typeof timed> }[] = [], causals = new Map<number, ReturnType<typeof timed>>();
  for (const one of cases) {
    await check(device, one);
    const visible = await visibleShare(device, one, length), equal = Math.round((Math.sqrt(1 + 8 * visible * length ** 2) - 1) / 2); // n (n + 1) / 2 scores of n tokens
    prepared.push({ one, visible, equal, own: timed(device, one, length) });
    if (!causals.has(equal)) causals.set(equal, timed(device, { name: 'causal', mask: causal, options: { mask: causal } }, equal));
  }
  for (let round = -1; round < rounds; round++) for (const { runs, times } of [...prepared.map(({ own }) => own), ...causals.values()]) for (const [i, run] of runs.entries()) {
    const start = performance.now();
    await run();
    if (round >= 0) times[i]!.push(performance.now() - start);
  }
  const medians = ({ times: [forward, train] }: ReturnType<typeof timed>): { forwardMs: number; trainingMs: number } => ({ forwardMs: median(forward), trainingMs: median(train) });
  return prepared.map(({ one, visible, equal, own }) => ({ name: one.name, length, visible, ...medians(own), causal: { length: equal, ...medians(causals.get(equal)!) }, bytes: own.bytes() }));
}

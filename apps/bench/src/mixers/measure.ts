/** Times of whole mixing layers, in training and in decoding; a layer whose values are wrong gets none. */
import { decodingCache } from '@ashlar/attention';
import { Module, normalInitializer, type Attention, type AttentionVariant } from '@ashlar/nn';
import { arange, gradients, jit, plannedBytes, read, tensor, type Device, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { width } from './cases.js';

export interface MixerTime {
  readonly name: string;
  readonly length: number;
  /** Output and all gradients of one sequence. */
  readonly trainingMs: number;
  readonly trainingBytes: number;
  /** One more token after `length`. */
  readonly decodingMs: number;
  /** What decoding remembers. */
  readonly stateBytes: number;
}

/** Length at which values are compared with the f64 interpreter: more than two chunks, not a multiple of them. */
const checkedLength = 150;

class NoPositions extends Module {}
const weight = normalInitializer(0.1);

function built(variant: AttentionVariant): Attention {
  const part = variant.build({ width, bias: false, dropout: { attention: 0, residual: 0 }, positional: new NoPositions(), initializers: { weight, value: weight, residual: weight } });
  part.initialize(0);
  return part;
}

const input = (T: number): Tensor => tensor(Float32Array.from({ length: T * width }, (_, i) => Math.sin((i + 1) * 0.7) + Math.cos(i * 0.3)), { shape: [1, T, width] });
const training = (part: Attention) => (x: Tensor): Tensor[] => {
  const y = part.forward({ x, positions: 0 });
  return [y, ...gradients(y.square().sum(), [x, ...part.parameters().map(read)])];
};

/** @throws {Error} where the output or a gradient is not that of the f64 interpreter. */
async function check(device: Device, name: string, variant: AttentionVariant): Promise<void> {
  const all = async (on: Device): Promise<ArrayLike<number>[]> => {
    const part = built(variant), values = await Promise.all(jit(training(part), { device: on })(input(checkedLength)).map((one) => one.data()));
    await part.toHost();
    return values;
  };
  const expected = await all(reference()), got = await all(device);
  expected.forEach((values, i) => {
    const largest = Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0), worst = Array.from(values).reduce((most, value, j) => Math.max(most, Math.abs(value - got[i]![j]!)), 0);
    if (!(worst <= 2e-4 * (1e-2 + largest))) throw new Error(`${name}: ${i === 0 ? 'the output' : i === 1 ? 'the gradient of x' : `the gradient of parameter ${i - 1}`} is off by ${worst}, where the largest value is ${largest}`);
  });
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** One layer at one length: the medians of `rounds` runs. @throws {Error} where its values are wrong. */
export async function measureMixer(device: Device, name: string, variant: AttentionVariant, length: number, rounds: number): Promise<MixerTime> {
  await check(device, name, variant);
  const part = built(variant), step = jit(training(part), { device }), x = input(length);
  const timed = async (run: () => Promise<unknown>): Promise<number> => {
    const times: number[] = [];
    for (let round = -1; round < rounds; round++) {
      const start = performance.now();
      await run();
      if (round >= 0) times.push(performance.now() - start);
    }
    return median(times);
  };
  const trainingMs = await timed(() => Promise.all(step(x).map((one) => one.data()))), trainingBytes = plannedBytes(step.plan!);
  step.release();

  const cache = decodingCache({ capacity: length + rounds + 1 });
  const decode = jit((given: Tensor, start: Tensor) => part.forward({ x: given, positions: start.add(arange(given.shape[1]!)), cache: cache.layer('layer', start) }), { device });
  await decode(x, cache.extend(length)).data();
  const token = input(1), decodingMs = await timed(() => decode(token, cache.extend(1)).data());
  const result = { name, length, trainingMs, trainingBytes, decodingMs, stateBytes: cache.bytes };
  decode.release();
  cache.release();
  await part.toHost();
  return result;
}
